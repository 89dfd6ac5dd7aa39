"""Where the gradient goes in Stable-Baselines3 itself: `python -m benchmarks.sb3_routing`.

Runs one update of SB3's SAC on pictures, with an extractor shared and not, and watches its optimizers: which modules
each owns, which have a gradient when it steps, and which it moves. The same facts that `tests/agent/test_routing.py`
proves of this trainer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from stable_baselines3 import SAC


class Pictures(gym.Env[np.ndarray, np.ndarray]):
    """Random 36x36 pictures and rewards: enough to have something to update on."""

    observation_space = gym.spaces.Box(0, 255, (36, 36, 3), np.uint8)
    action_space = gym.spaces.Box(-1.0, 1.0, (2,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        return self._picture(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        return self._picture(), float(self.np_random.normal()), False, bool(self.np_random.random() < 0.1), {}

    def _picture(self) -> np.ndarray:
        return self.np_random.integers(0, 256, (36, 36, 3), dtype=np.uint8)


def modules(model: SAC) -> dict[str, list[torch.Tensor]]:
    """Parameters by what they are: heads, and the extractors that are there."""
    actor: Any = model.actor
    critic: Any = model.critic
    target: Any = model.critic_target
    found = {
        "actor": [*actor.latent_pi.parameters(), *actor.mu.parameters(), *actor.log_std.parameters()],
        "critic": [one for network in (critic.qf0, critic.qf1) for one in network.parameters()],
        "actor's extractor": list(actor.features_extractor.parameters()),
    }
    if critic.features_extractor is not actor.features_extractor:
        found["critic's extractor"] = list(critic.features_extractor.parameters())
    if target.features_extractor is not critic.features_extractor:
        found["target's extractor"] = list(target.features_extractor.parameters())
    return found


def probe(shared: bool) -> dict[str, dict[str, set[str]]]:
    """Of one update: optimizer -> "owns", "gradient", "moves" -> names of modules."""
    extractor = {"share_features_extractor": shared, "net_arch": [16], "features_extractor_kwargs": {"features_dim": 8}}
    model = SAC("CnnPolicy", Pictures(), policy_kwargs=extractor, buffer_size=200, learning_starts=50, train_freq=1000,
                batch_size=16, seed=0, device="cpu", ent_coef=0.1)  # fmt: skip
    model.learn(60)
    parts, seen = modules(model), {}
    assert model.actor is not None and model.critic is not None
    for name, network in (("critic's optimizer", model.critic), ("actor's optimizer", model.actor)):
        owned = {id(one) for group in network.optimizer.param_groups for one in group["params"]}
        seen[name] = {"owns": {part for part, tensors in parts.items() if {id(one) for one in tensors} <= owned}}
        _watch(network.optimizer, parts, seen[name])
    for one in (one for tensors in parts.values() for one in tensors):
        one.grad = None  # learn() has made an update already
    model.train(gradient_steps=1, batch_size=16)
    return seen


def _watch(optimizer: torch.optim.Optimizer, parts: dict[str, list[torch.Tensor]], seen: dict[str, set[str]]) -> None:
    """Note at the optimizer's next step what has a gradient, and what it moves."""
    step: Callable[..., Any] = optimizer.step

    def watched(*args: Any, **kwargs: Any) -> Any:
        before = {name: [one.detach().clone() for one in tensors] for name, tensors in parts.items()}
        seen["gradient"] = {
            name for name, tensors in parts.items() if any(one.grad is not None and one.grad.any() for one in tensors)
        }
        result = step(*args, **kwargs)
        seen["moves"] = {
            name
            for name, tensors in parts.items()
            if any(not now.equal(then) for now, then in zip(tensors, before[name], strict=True))
        }
        return result

    optimizer.step = watched  # type: ignore[method-assign]


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.sb3_routing", description=__doc__).parse_args()
    console = Console()
    for shared in (False, True):
        table = Table("", "owns", "has a gradient when it steps", "moves", title=f"share_features_extractor={shared}")
        for optimizer, facts in probe(shared).items():
            table.add_row(optimizer, *(", ".join(sorted(facts[fact])) for fact in ("owns", "gradient", "moves")))
        console.print(table)


if __name__ == "__main__":
    main()
