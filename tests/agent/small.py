"""What the agent tests share: a small agent that looks at small pictures, and batches for it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from agent import SAC, Heads
from agent.routing import ROUTINGS
from encoders import PixelEncoder
from replay import Batch

VECTOR, GOAL, ACTION, SIDE = 5, 3, 2, 12


def small_encoder(seed: int = 0, **options: Any) -> PixelEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(100 + seed)
        chosen: dict[str, Any] = {"family": "fast", "head": "flat"} | options
        return PixelEncoder(chosen.pop("family"), chosen.pop("head"), 3, SIDE, VECTOR, **chosen)


def small_agent(routing: str = "critic", *, seed: int = 0, **options: Any) -> SAC:
    """An agent of `options` that has seen some observations. With --goal-loss its encoders have a goal head."""
    goal_size = GOAL if options.get("goal_loss") or routing == "goal" else 0
    goal_input = options.pop("goal_input", "off")
    encoders = [
        small_encoder(seed + 50 * number, goal_size=goal_size, goal_input=goal_input)
        for number in range(ROUTINGS[routing].encoders)
    ]
    built: dict[str, Any] = {n: options.pop(n) for n in ("width", "layer_norm", "normalize") if n in options}
    heads = Heads(VECTOR, GOAL, ACTION, **{"width": 16} | built)
    chosen: dict[str, Any] = {"goal_loss": 1.0 if goal_size else 0.0} | options
    agent = SAC(encoders, heads, routing=routing, seed=seed, **chosen)
    seen = random_batch(seed=99).to(agent.device)
    agent.observe(seen.vector, seen.goal, seen.goal)
    return agent


def random_batch(seed: int = 0, rows: int = 32, goals: int = 1) -> Batch:
    """`rows` transitions with `goals` each."""
    generator = torch.Generator().manual_seed(seed)

    def normal(count: int, size: int) -> Tensor:
        return 1 + 2 * torch.randn(count, size, generator=generator)

    def pictures() -> Tensor:
        return torch.randint(256, (rows, SIDE, SIDE, 3), dtype=torch.uint8, generator=generator)

    each = rows * goals
    return Batch(
        vector=normal(rows, VECTOR),
        action=torch.rand(each, ACTION, generator=generator) * 2 - 1,
        reward=-torch.randint(2, (each,), generator=generator).to(torch.float32),
        next_vector=normal(rows, VECTOR),
        terminated=torch.randint(2, (each,), generator=generator).to(torch.float32),
        goal=normal(each, GOAL),
        next_goal=normal(each, GOAL),
        pixels=pictures(),
        next_pixels=pictures(),
        achieved_goal=normal(rows, GOAL),
    )


def features_of(agent: SAC, batch: Batch) -> Tensor:
    """What actor and critic read of the batch's observations."""
    return agent.encoder(agent.vector_normalizer(batch.vector), batch.pixels).features


def coming_noise(agent: SAC, draws: int, rows: int) -> list[Tensor]:
    """The standard normal numbers (rows, A) that the agent will draw next, without drawing them from it."""
    generator = torch.Generator()
    generator.set_state(agent.generator.get_state())
    return [torch.randn(rows, ACTION, generator=generator) for _ in range(draws)]


def parameters(agent: SAC) -> dict[str, list[Tensor]]:
    """The parameters themselves, by module."""
    names = ("encoder", "actor_encoder", "target_encoder", "actor", "critic", "target_critic")
    modules: dict[str, list[Tensor]] = {name: list(part.parameters()) for name, part in agent.parts(names).items()}
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


def owners(agent: SAC) -> dict[str, list[int]]:
    """Identities of the parameters that each optimizer holds."""
    optimizers = {
        "critic": agent.critic_optimizer,
        "actor": agent.actor_optimizer,
        "temperature": agent.temperature_optimizer,
    }
    return {
        name: [id(one) for group in optimizer.param_groups for one in group["params"]]
        for name, optimizer in optimizers.items()
        if optimizer is not None
    }


def assert_only_these_moved(agent: SAC, before: dict[str, list[Tensor]], moved: set[str]) -> None:
    """Each tensor of the modules in `moved` has changed, and no bit of any other."""
    for name, tensors in parameters(agent).items():
        if name in moved:
            assert not any(now.equal(then) for now, then in zip(tensors, before[name], strict=True)), name
        else:
            assert same(tensors, before[name]), name


def assert_only_these_have_gradients(agent: SAC, touched: set[str]) -> None:
    for name, tensors in parameters(agent).items():
        assert {one.grad is not None for one in tensors} == {name in touched}, name


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
