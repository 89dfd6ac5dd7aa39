"""What a run is: its flags, presets, and whether they make sense on this machine."""
