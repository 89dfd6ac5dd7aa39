"""Which loss trains the encoder, as a table; which optimizer owns which parameters, and their learning rates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from agent.agent import Agent

Optimizers = dict[str, torch.optim.Adam]
RoutingName = Literal["critic", "actor", "both", "separate", "goal"]


class Routing(NamedTuple):
    """A way of the gradients: with one encoder, or with two, of which the second is the actor's own."""

    encoders: int
    critic_trains: bool  # whether the critic's loss reaches the encoder
    actor_trains: bool  # whether the actor's loss reaches its encoder
    owner: Literal["critic", "actor"]  # the optimizer that has the encoder, and the auxiliary losses that train it too
    actor_steps: tuple[str, ...] = ("actor",)  # optimizers that step by the actor's loss


ROUTINGS: dict[str, Routing] = {
    # DrQ-v2 (Yarats et al. 2021), SAC-AE
    "critic": Routing(1, critic_trains=True, actor_trains=False, owner="critic"),
    # Stable-Baselines3, share_features_extractor=True
    "actor": Routing(1, critic_trains=False, actor_trains=True, owner="actor"),
    # By the actor's loss the critic's optimizer moves the encoder alone, for the critic is frozen.
    "both": Routing(1, critic_trains=True, actor_trains=True, owner="critic", actor_steps=("actor", "critic")),
    # Stable-Baselines3's default: an encoder each
    "separate": Routing(2, critic_trains=True, actor_trains=True, owner="critic"),
    # Pinto et al. 2017 (`--critic-obs state`): the critic reads no encoder, but its optimizer has the auxiliary losses,
    # and with them the encoder.
    "asymmetric": Routing(1, critic_trains=False, actor_trains=True, owner="critic", actor_steps=("actor", "critic")),
    # The auxiliary losses alone
    "goal": Routing(1, critic_trains=False, actor_trains=False, owner="critic"),
}


def encoder_parameters(agent: Agent) -> list[Tensor]:
    """The encoder's, and those of the auxiliary losses that stand on it, but for copies that follow by averaging."""
    together = (*agent.encoder.parameters(), *agent.auxiliaries.parameters())
    return [one for one in together if one.requires_grad]


def make_optimizers(
    agent: Agent,
    routing: Routing,
    *,
    log_alpha: Tensor,
    learning_rate: float = 1e-3,
    encoder_learning_rate: float | None = None,
    adam: type[torch.optim.Adam] = torch.optim.Adam,
) -> Optimizers:
    """Adam for "critic", "actor" and, if it is learned, "temperature"; each parameter is in exactly one of them.

    The encoder, with the auxiliary losses, is in that of `routing.owner`. An encoder of the actor's own is in the
    actor's.

    Args:
        encoder_learning_rate: of encoders and auxiliary losses, None for the same as all else.

    Raises:
        ValueError: for auxiliary losses where the actor's optimizer owns the encoder.
    """
    if len(agent.auxiliaries) and routing.owner == "actor":
        raise ValueError("auxiliary losses go through the critic's optimizer, which does not own the encoder here")

    def optimizer(others: Iterable[Tensor], encoder: Iterable[Tensor]) -> torch.optim.Adam:
        groups: list[dict[str, Any]] = [
            {"params": list(others)},
            {"params": list(encoder), "lr": encoder_learning_rate or learning_rate},
        ]
        return adam([group for group in groups if group["params"]], lr=learning_rate, fused=True)

    own = [] if agent.actor_encoder is None else [*agent.actor_encoder.parameters()]
    encoders: dict[str, list[Tensor]] = {"critic": [], "actor": [*own]}
    encoders[routing.owner] += encoder_parameters(agent)
    optimizers = {
        "critic": optimizer(agent.critic.parameters(), encoders["critic"]),
        "actor": optimizer(agent.actor.parameters(), encoders["actor"]),
    }
    if log_alpha.requires_grad:
        optimizers["temperature"] = optimizer([log_alpha], [])
    return optimizers


def scale_learning_rates(optimizers: Optimizers, factor: float) -> None:
    """Set all learning rates to `factor` of those that the optimizers were made with."""
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            rate = factor * group.setdefault("initial_lr", group["lr"])
            if isinstance(group["lr"], Tensor):  # which a CUDA graph reads
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


def minimize(loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
    """zero_grad, backward, step. The gradients stay, for their norms to be logged. What the loss does not reach has
    none, and Adam skips it: old momentum does not move it."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()


def gradient_norm(parameters: Iterable[Tensor]) -> Tensor | None:
    """L2 norm of the parameters' gradients, 0-d; None where there are none."""
    gradients = [one.grad for one in parameters if one.grad is not None]
    return torch.stack(torch._foreach_norm(gradients)).norm() if gradients else None
