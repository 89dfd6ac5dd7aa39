"""Settings of both sides of a measurement. No torch is imported here: environments' worker processes load it."""

from __future__ import annotations

from dataclasses import dataclass

EPISODE = 50  # steps of a Fetch episode
STACK = 4  # images that the chapter shows its networks together


@dataclass(frozen=True)
class Settings:
    obs: str
    env_id: str
    num_envs: int
    batch_size: int
    updates_per_step: float
    learning_starts: int
    buffer_size: int
    prefill: int
    transitions: int
    threads: int
    cores: int
    device: str
    seed: int = 0


def stock_id(settings: Settings) -> str:
    """Id for `gymnasium.make` in any process: with the module that registers it."""
    return f"gymnasium_robotics:{settings.env_id}"
