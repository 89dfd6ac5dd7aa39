"""Where the gradient goes, ours and Stable-Baselines3's side by side: `python -m benchmarks.routing`.

Makes one update of either with the chapter's encoder, four convolutions and SpatialSoftmax (11 parameters: weights and
biases, the temperature, LayerNorm), and counts for each optimizer how many of each network's parameters it owns, and
how many it moves. `tests/agent/test_routing.py` proves more of ours: which loss leaves a gradient where.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import Any, get_args

import gymnasium as gym
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from stable_baselines3 import SAC
from torch import Tensor

import envs
from agent.routing import RoutingName
from benchmarks.sb3_encoder import Manipulation
from replay.batch import Batch, Observation
from training.config import cli
from training.evaluator import Evaluator
from training.learner import Learner

ROWS = 4  # transitions of the update
Modules = dict[str, list[Tensor]]


@dataclass
class Facts:
    """Counts of one optimizer: module -> how many of its parameters."""

    owns: dict[str, int]
    moves: dict[str, int] = field(default_factory=dict)


def watch(optimizer: torch.optim.Optimizer, modules: Modules) -> Facts:
    """Facts of an optimizer; its coming steps fill in the parameters that it moves."""
    owned = {id(one) for group in optimizer.param_groups for one in group["params"]}
    facts = Facts({name: sum(id(one) in owned for one in tensors) for name, tensors in modules.items()})
    before: Modules = {}

    def note(*_: Any) -> None:
        for name, tensors in modules.items():
            before[name] = [one.detach().clone() for one in tensors]

    def compare(*_: Any) -> None:
        for name, tensors in modules.items():
            moved = sum(not now.equal(then) for now, then in zip(tensors, before[name], strict=True))
            facts.moves[name] = max(moved, facts.moves.get(name, 0))

    optimizer.register_step_pre_hook(note)
    optimizer.register_step_post_hook(compare)
    return facts


def ours(routing: str) -> dict[str, Facts]:
    """Facts of each optimizer in an update of `book-pixels` with this routing."""
    evaluator = Evaluator(cli.parse(["book-pixels", "--device", "cpu", "--routing", routing]), workers=0)
    evaluator.close()
    agent, sac = evaluator.agent, Learner(evaluator.config, evaluator.agent, shift_seed=0).sac
    names = {"actor": "actor", "critic": "critic", "encoder": "encoder", "actor_encoder": "actor's encoder"}
    parts = {shown: part for name, shown in names.items() if (part := getattr(agent, name)) is not None}
    modules: Modules = {name: list(part.parameters()) for name, part in parts.items()}
    found = {name: watch(optimizer, modules) for name, optimizer in sac.optimizers.items()}
    generator = torch.Generator().manual_seed(0)

    def observation() -> Observation:
        pixels = torch.randint(256, (ROWS, envs.SIZE, envs.SIZE, 12), dtype=torch.uint8, generator=generator)
        return {"vector": torch.randn(ROWS, evaluator.vector_size, generator=generator), "pixels": pixels}

    goal, reward = torch.randn(ROWS, 3, generator=generator), -torch.ones(ROWS)
    action = torch.rand(ROWS, evaluator.action_size, generator=generator) * 2 - 1
    sac.update(Batch(observation(), observation(), action, reward, 0.95 * torch.ones(ROWS), goal, goal, goal))
    return found


class Observed(gym.Env[dict[str, Any], np.ndarray]):
    """Environment with the chapter's observations and rewards at random: enough to make an update."""

    observation_space = gym.spaces.Dict(
        {
            envs.PIXELS: gym.spaces.Box(0, 255, (12, envs.SIZE, envs.SIZE), np.uint8),
            "observation": gym.spaces.Box(-1.0, 1.0, (10,)),
            "achieved_goal": gym.spaces.Box(-1.0, 1.0, (3,)),
            "desired_goal": gym.spaces.Box(-1.0, 1.0, (3,)),
        }
    )
    action_space = gym.spaces.Box(-1.0, 1.0, (4,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        return self.observation_space.sample(), float(self.np_random.normal()), False, False, {}


def sb3(shared: bool) -> dict[str, Facts]:
    """Facts of each optimizer in an update of SB3's SAC, with `share_features_extractor` or not."""
    policy = {"share_features_extractor": shared, "features_extractor_class": Manipulation}
    model = SAC("MultiInputPolicy", Observed(), policy_kwargs=policy, buffer_size=20, learning_starts=100, seed=0,
                batch_size=ROWS, device="cpu", ent_coef=0.1)  # fmt: skip
    model.learn(2 * ROWS)
    actor: Any = model.actor
    critic: Any = model.critic
    modules: Modules = {
        "actor": [*actor.latent_pi.parameters(), *actor.mu.parameters(), *actor.log_std.parameters()],
        "critic": [one for network in (critic.qf0, critic.qf1) for one in network.parameters()],
        "encoder": list(critic.features_extractor.parameters()),
    }
    if not shared:
        modules["actor's encoder"] = list(actor.features_extractor.parameters())
    found = {"critic": watch(critic.optimizer, modules), "actor": watch(actor.optimizer, modules)}
    model.train(gradient_steps=1, batch_size=ROWS)
    return found


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.routing", description=__doc__).parse_args()
    console = Console()
    sides = {f"ours, --routing {name}": ours(name) for name in get_args(RoutingName) if name != "goal"}
    sides |= {f"SB3, share_features_extractor={shared}": sb3(shared) for shared in (False, True)}
    for title, found in sides.items():
        table = Table("optimizer", "parameters of", "owned", "moved", title=title)
        for name, facts in found.items():
            for module, owned in facts.owns.items():
                table.add_row(name, module, str(owned), str(facts.moves[module]))
        console.print(table)


if __name__ == "__main__":
    main()
