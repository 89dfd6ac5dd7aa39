"""The update with torch.compile."""

from __future__ import annotations

from agent.networks import MLP
from benchmarks.ours import Updating
from benchmarks.settings import Settings


class Compiled(Updating):
    """The same with the networks of actor and critics compiled."""

    def __init__(self, settings: Settings, mode: str, preset: str | None = None) -> None:
        super().__init__(settings, mode, preset)
        agent = self.player.agent
        for network in (agent.actor, agent.critic, agent.target_critic):
            for module in network.modules():
                if isinstance(module, MLP):
                    module.compile()
