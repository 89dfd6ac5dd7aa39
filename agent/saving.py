"""Saving and loading everything that a learner's further updates depend on."""

from __future__ import annotations

from typing import Any

import torch

from agent.sac import SAC


def state_dict(sac: SAC) -> dict[str, Any]:
    """Everything that `update()` and `act()` depend on."""
    return {
        "agent": sac.agent.state_dict(),
        "optimizers": {name: one.state_dict() for name, one in sac.optimizers.items()},
        "log_alpha": sac.log_alpha.detach(),
        "generator": sac.agent.generator.get_state(),
    }


def load_state_dict(sac: SAC, state: dict[str, Any]) -> None:
    """Continue from `state_dict()`, which may come from a run with a CUDA graph."""
    sac.agent.load_state_dict(state["agent"])
    for name, optimizer in sac.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
        for group in optimizer.param_groups:
            group["capturable"], group["lr"] = False, float(group["lr"])
    with torch.no_grad():
        sac.log_alpha.copy_(state["log_alpha"])
    sac.agent.generator.set_state(state["generator"].cpu())
