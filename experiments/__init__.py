"""The chapter's experiments by name: run them over seeds, plot their curves, count their numbers."""
