"""The update with torch.compile."""

from __future__ import annotations

import torch

from agent.networks import MLP
from benchmarks.ours import Updating
from benchmarks.settings import Settings


class Compiled(Updating):
    """The same with torch.compile.

    Args:
        settings, mode, preset: as of `Updating`.
        what: "networks" of actor and critics, or the "update" of everything behind the encoder.
    """

    def __init__(self, settings: Settings, mode: str, preset: str | None, what: str) -> None:
        super().__init__(settings, mode, preset)
        agent = self.player.agent
        if what == "update":
            agent.update_heads = torch.compile(agent.update_heads)  # type: ignore[method-assign]
            return
        for network in (agent.actor, agent.critic, agent.target_critic):
            for module in network.modules():
                if isinstance(module, MLP):
                    module.compile()
