"""Table of which loss trains the encoder; the optimizers, their parameters and their learning rates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from agent.agent import Agent

Optimizers = dict[str, torch.optim.Adam]
RoutingName = Literal["critic", "actor", "both", "separate", "goal"]


class Routing(NamedTuple):
    """Gradient routing with one shared encoder, or with two, of which the second is the actor's own."""

    encoders: int
    critic_trains: bool  # whether the critic's loss reaches the encoder
    actor_trains: bool  # whether the actor's loss reaches its encoder
    owner: Literal["critic", "actor"]  # whose optimizer has the encoder's and the auxiliary losses' parameters
    actor_steps: tuple[str, ...] = ("actor",)  # optimizers that step on the actor's loss


ROUTINGS: dict[str, Routing] = {
    # DrQ-v2 (Yarats et al. 2021), SAC-AE
    "critic": Routing(1, critic_trains=True, actor_trains=False, owner="critic"),
    # Stable-Baselines3, share_features_extractor=True
    "actor": Routing(1, critic_trains=False, actor_trains=True, owner="actor"),
    # On the actor's loss, the critic's optimizer moves only the encoder: the critic is frozen.
    "both": Routing(1, critic_trains=True, actor_trains=True, owner="critic", actor_steps=("actor", "critic")),
    # Stable-Baselines3's default: an encoder each
    "separate": Routing(2, critic_trains=True, actor_trains=True, owner="critic"),
    # Pinto et al. 2017 (`--critic-obs state`): the critic reads no features, but its optimizer owns the auxiliary
    # losses and, with them, the encoder.
    "asymmetric": Routing(1, critic_trains=False, actor_trains=True, owner="critic", actor_steps=("actor", "critic")),
    # The auxiliary losses alone
    "goal": Routing(1, critic_trains=False, actor_trains=False, owner="critic"),
}


def encoder_parameters(agent: Agent) -> list[Tensor]:
    """Parameters of the encoder and of the auxiliary losses, without polyak-averaged copies."""
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
    """Adam for "critic", "actor" and, if learned, "temperature"; each parameter is in exactly one optimizer.

    The optimizer named by `routing.owner` owns the encoder and the auxiliary losses. The actor's optimizer owns the
    actor's own encoder.

    Args:
        encoder_learning_rate: learning rate of encoders and auxiliary losses; None for `learning_rate`.

    Raises:
        ValueError: if there are auxiliary losses but the actor's optimizer owns the encoder.
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
    """Set each learning rate to `factor` times its initial value."""
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            rate = factor * group.setdefault("initial_lr", group["lr"])
            if isinstance(group["lr"], Tensor):  # a CUDA graph reads the tensor: change it in place
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


def minimize(loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
    """Call zero_grad, backward and step. Parameters that the loss does not reach have no gradient: Adam skips them, and
    old momentum does not move them.

    Gradients are kept, so that their norms can be logged. If the actor's loss steps the critic's optimizer too, as with
    the routing "both", it clears the critic's own gradients: such runs have no critic_grad_norm."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()


def gradient_norm(parameters: Iterable[Tensor]) -> Tensor | None:
    """L2 norm of the parameters' gradients, 0-d; None where there are none."""
    gradients = [one.grad for one in parameters if one.grad is not None]
    return torch.stack(torch._foreach_norm(gradients)).norm() if gradients else None
