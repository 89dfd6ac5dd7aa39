"""What the agent tests share: a small agent whose encoder has something to learn, and batches for it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from agent import SAC
from encoders import Encoded
from replay import Batch

VECTOR, GOAL, ACTION, FEATURES = 5, 3, 2, 4


class LearnableEncoder(nn.Linear):
    """Stands for an encoder of pixels."""

    def __init__(self, seed: int = 0) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(100 + seed)
            super().__init__(VECTOR, FEATURES)
        self.feature_size = FEATURES

    def forward(self, vector: Tensor, pixels: Tensor | None = None) -> Encoded:  # type: ignore[override]
        return Encoded(super().forward(vector))


def small_agent(**options: Any) -> SAC:
    """An agent of `options` that has seen some observations."""
    chosen: dict[str, Any] = {"encoders": [LearnableEncoder()], "width": 16, "depth": 2} | options
    agent = SAC(vector_size=VECTOR, goal_size=GOAL, action_size=ACTION, **chosen)
    seen = random_batch(seed=99)
    agent.observe(seen.vector, seen.goal, seen.goal)
    return agent


def random_batch(seed: int = 0, rows: int = 32) -> Batch:
    generator = torch.Generator().manual_seed(seed)

    def normal(size: int) -> Tensor:
        return 1 + 2 * torch.randn(rows, size, generator=generator)

    return Batch(
        vector=normal(VECTOR),
        action=torch.rand(rows, ACTION, generator=generator) * 2 - 1,
        reward=-torch.randint(2, (rows,), generator=generator).to(torch.float32),
        next_vector=normal(VECTOR),
        terminated=torch.randint(2, (rows,), generator=generator).to(torch.float32),
        goal=normal(GOAL),
        next_goal=normal(GOAL),
    )


def coming_noise(agent: SAC, draws: int, rows: int) -> list[Tensor]:
    """The standard normal numbers (rows, A) that the agent will draw next, without drawing them from it."""
    generator = torch.Generator()
    generator.set_state(agent.generator.get_state())
    return [torch.randn(rows, ACTION, generator=generator) for _ in range(draws)]


def parameters(agent: SAC) -> dict[str, list[Tensor]]:
    """The parameters themselves, by module."""
    names = ("encoder", "actor", "critic", "target_critic")
    modules: dict[str, list[Tensor]] = {name: list(getattr(agent, name).parameters()) for name in names}
    return modules | {"log_alpha": [agent.log_alpha]}


def copies(agent: SAC) -> dict[str, list[Tensor]]:
    """Their values now."""
    return {name: [one.detach().clone() for one in tensors] for name, tensors in parameters(agent).items()}


def gradients(module: nn.Module) -> list[Tensor]:
    """Copies of a module's gradients. Each parameter must have one."""
    found = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    assert len(found) == len(list(module.parameters()))
    return [gradient.clone() for gradient in found]


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    """Bit for bit."""
    return all(one.equal(other) for one, other in zip(left, right, strict=True))


def state_tensors(agent: SAC) -> list[Tensor]:
    """Copies of every tensor of the agent's state, optimizers and generator included."""
    found: list[Tensor] = []

    def visit(value: Any) -> None:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, dict):
            for one in value.values():
                visit(one)

    visit(copy.deepcopy(agent.state_dict()))
    return found
