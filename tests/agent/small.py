"""What the agent's tests share: a small agent that looks at small images, and batches for it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from agent import SAC, Agent, NetworkConfig, saving
from agent.routing import ROUTINGS, encoder_parameters
from agent.sac import Metrics
from auxiliary import GoalRegression
from encoders import PixelEncoder
from replay import Batch
from replay.batch import Observation

VECTOR, GOAL, ACTION, SIDE = 5, 3, 2, 12


def small_encoder(seed: int = 0, vector_size: int = VECTOR, **options: Any) -> PixelEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(100 + seed)
        chosen: dict[str, Any] = {"family": "fast", "pooling": "flat"} | options
        return PixelEncoder(chosen.pop("family"), chosen.pop("pooling"), 3, SIDE, vector_size, **chosen)


def small_sac(routing: str = "critic", *, seed: int = 0, **options: Any) -> SAC:
    """The learner of an agent that has seen some observations; `goal_loss` is the weight of a goal regression."""
    weight = options.pop("goal_loss", 1.0 if routing == "goal" else 0.0)
    built = {
        n: options.pop(n)
        for n in ("goal_input", "goal_from_estimate", "target_encoder", "goal_from_state")
        if n in options
    }
    sizes: dict[str, Any] = {"vector_size": VECTOR, "width": 16}
    sizes |= {
        n: options.pop(n) for n in ("vector_size", "width", "layer_norm", "normalize", "state_size") if n in options
    }
    pooling = options.pop("pooling", "flat")
    encoders = [
        small_encoder(seed + 50 * n, sizes["vector_size"], pooling=pooling) for n in range(ROUTINGS[routing].encoders)
    ]
    auxiliaries = dict(options.pop("auxiliaries", {}))
    if weight:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(200 + seed)
            auxiliaries["goal_regression"] = GoalRegression(encoders[0].feature_size, GOAL, weight)
    networks = NetworkConfig(goal_size=GOAL, action_size=ACTION, **sizes)
    device = options.pop("device", "cpu")
    agent = Agent(encoders, networks, auxiliaries=auxiliaries, device=device, seed=seed, **built)
    sac = SAC(agent, routing=routing, **options)
    seen = random_batch(seed=99).to(agent.device)
    agent.update_normalizers(seen.obs["vector"][:, : sizes["vector_size"]], seen.goal, seen.goal)
    return sac


def update(sac: SAC, batch: Batch, *more: Batch) -> Metrics:
    """An update on `batch`, and further ones on its features with other goals. Returns the first one's metrics."""
    metrics, features = sac.update(batch)
    for another in more:
        sac.update_from(features, another)
    return metrics


def random_batch(seed: int = 0, rows: int = 32, goals: int = 1) -> Batch:
    """`rows` transitions with `goals` each."""
    generator = torch.Generator().manual_seed(seed)

    def normal(count: int, size: int) -> Tensor:
        return 1 + 2 * torch.randn(count, size, generator=generator)

    def observation() -> Observation:
        pixels = torch.randint(256, (rows, SIDE, SIDE, 3), dtype=torch.uint8, generator=generator)
        return {"vector": normal(rows, VECTOR), "pixels": pixels}

    each = rows * goals
    return Batch(
        obs=observation(),
        next_obs=observation(),
        action=torch.rand(each, ACTION, generator=generator) * 2 - 1,
        reward=-torch.randint(2, (each,), generator=generator).to(torch.float32),
        discount=0.9 * torch.randint(2, (each,), generator=generator).to(torch.float32),
        goal=normal(each, GOAL),
        next_goal=normal(each, GOAL),
        achieved_goal=normal(rows, GOAL),
    )


def features_of(sac: SAC, batch: Batch) -> Tensor:
    """Features of the batch's observations."""
    return sac.agent.encode(batch.obs)


def coming_noise(sac: SAC, draws: int, rows: int) -> list[Tensor]:
    """The standard normal numbers (rows, A) that the agent will draw next, without drawing them from it."""
    generator = torch.Generator()
    generator.set_state(sac.agent.generator.get_state())
    return [torch.randn(rows, ACTION, generator=generator) for _ in range(draws)]


def parameters(sac: SAC) -> dict[str, list[Tensor]]:
    """The parameters themselves, by module; the goal regression's are counted among the encoder's."""
    names = ("encoder", "actor_encoder", "target_encoder", "actor", "critic", "target_critic")
    parts = {name: getattr(sac.agent, name) for name in names}
    modules: dict[str, list[Tensor]] = {
        name: list(part.parameters()) for name, part in parts.items() if part is not None
    }
    modules["encoder"] = encoder_parameters(sac.agent)
    return modules | {"log_alpha": [sac.log_alpha]}


def copies(sac: SAC) -> dict[str, list[Tensor]]:
    """Their values now."""
    return {name: [one.detach().clone() for one in tensors] for name, tensors in parameters(sac).items()}


def gradients(module: nn.Module) -> list[Tensor]:
    """Copies of a module's gradients. Each parameter must have one."""
    found = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    assert len(found) == len(list(module.parameters()))
    return [gradient.clone() for gradient in found]


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    """Bit for bit."""
    return all(one.equal(other) for one, other in zip(left, right, strict=True))


def same_tensor(left: Tensor | None, right: Tensor | None) -> bool:
    """Bit for bit; both have to be there."""
    assert left is not None and right is not None
    return left.equal(right)


def owners(sac: SAC) -> dict[str, list[int]]:
    """Identities of the parameters that each optimizer holds."""
    return {
        name: [id(one) for group in optimizer.param_groups for one in group["params"]]
        for name, optimizer in sac.optimizers.items()
    }


def assert_only_these_moved(sac: SAC, before: dict[str, list[Tensor]], moved: set[str]) -> None:
    """Each tensor of the modules in `moved` has changed, and no bit of any other."""
    for name, tensors in parameters(sac).items():
        if name in moved:
            assert not any(now.equal(then) for now, then in zip(tensors, before[name], strict=True)), name
        else:
            assert same(tensors, before[name]), name


def assert_only_these_have_gradients(sac: SAC, touched: set[str]) -> None:
    for name, tensors in parameters(sac).items():
        assert {one.grad is not None for one in tensors} == {name in touched}, name


def state_tensors(sac: SAC) -> list[Tensor]:
    """Copies of every tensor of the learner's state, optimizers and generator included."""
    found: list[Tensor] = []

    def visit(value: Any) -> None:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, dict):
            for one in value.values():
                visit(one)

    visit(copy.deepcopy(saving.state_dict(sac)))
    return found
