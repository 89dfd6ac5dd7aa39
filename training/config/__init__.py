"""Configuration of a run: its flags, presets, and checks against this machine."""
