"""The chapter's experiments by name: run them over seeds, draw their curves, count their numbers."""
