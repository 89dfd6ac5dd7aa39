"""Measurements against Stable-Baselines3 (SB3), which only `sb3.py` imports. Start with `fps.py`."""
