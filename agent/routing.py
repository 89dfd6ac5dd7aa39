"""Which loss trains the encoder, as a table."""

from __future__ import annotations

from typing import Literal, NamedTuple

RoutingName = Literal["critic", "actor", "both", "separate", "goal"]


class Routing(NamedTuple):
    """One encoder or two (then the second is the actor's own), and whose loss reaches it.

    The encoder's parameters are in the critic's optimizer, where auxiliary losses train them too: with `goal` the
    regression of the achieved goal, and no other loss. If the actor's loss alone trains the encoder, they are in the
    actor's optimizer, and there are no auxiliary losses.
    """

    encoders: int
    critic_trains: bool
    actor_trains: bool

    @property
    def actor_owns(self) -> bool:
        """Whether the one encoder is in the actor's optimizer."""
        return self.actor_trains and not self.critic_trains

    @property
    def shared(self) -> bool:
        """Whether both losses train one encoder."""
        return self.encoders == 1 and self.critic_trains and self.actor_trains

    @property
    def actor_steps(self) -> tuple[str, ...]:
        """Optimizers that step by the actor's loss. If both losses train one encoder, the critic's is among them: it
        moves the encoder alone, for the critic is frozen."""
        return ("actor", "critic") if self.shared else ("actor",)


ROUTINGS: dict[str, Routing] = {
    "critic": Routing(1, critic_trains=True, actor_trains=False),  # DrQ-v2 (Yarats et al. 2021), SAC-AE
    "actor": Routing(1, critic_trains=False, actor_trains=True),  # Stable-Baselines3, share_features_extractor=True
    "both": Routing(1, critic_trains=True, actor_trains=True),
    "separate": Routing(2, critic_trains=True, actor_trains=True),  # Stable-Baselines3's default: one encoder each
    "goal": Routing(1, critic_trains=False, actor_trains=False),  # the regression of the achieved goal alone
}
