"""The chapter's steps, cells, controls and probes: its claims, the runs on them, and their outcome."""
