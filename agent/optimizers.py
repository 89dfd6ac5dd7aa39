"""Which optimizer owns which parameters, and their learning rates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from agent.agent import Agent
from agent.routing import Routing

Optimizers = dict[str, torch.optim.Adam]


def encoder_parameters(agent: Agent) -> list[Tensor]:
    """The encoder's, and those of the auxiliary losses that stand on it."""
    return [*agent.encoder.parameters(), *agent.auxiliaries.parameters()]


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

    The encoder, with the auxiliary losses, is in the critic's; in the actor's where the actor's loss alone trains it.
    An encoder of the actor's own is in the actor's.

    Args:
        encoder_learning_rate: of encoders and auxiliary losses, None for the same as all else.

    Raises:
        ValueError: for auxiliary losses where the actor's optimizer owns the encoder.
    """
    if len(agent.auxiliaries) and routing.actor_owns:
        raise ValueError("auxiliary losses go through the critic's optimizer, which does not own the encoder here")

    def optimizer(others: Iterable[Tensor], encoder: Iterable[Tensor]) -> torch.optim.Adam:
        groups: list[dict[str, Any]] = [
            {"params": list(others)},
            {"params": list(encoder), "lr": encoder_learning_rate or learning_rate},
        ]
        return adam([group for group in groups if group["params"]], lr=learning_rate, fused=True)

    encoder = encoder_parameters(agent)
    own = [] if agent.actor_encoder is None else agent.actor_encoder.parameters()
    optimizers = {
        "critic": optimizer(agent.critic.parameters(), [] if routing.actor_owns else encoder),
        "actor": optimizer(agent.actor.parameters(), encoder if routing.actor_owns else own),
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
