"""The chapter's steps, cells, controls and probes: what it claims, what is run for it, and how that came out."""
