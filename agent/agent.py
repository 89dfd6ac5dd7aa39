"""The networks and normalisers of an agent: their inputs, acting, and saving what acting needs."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from agent.networks import Actor, NetworkConfig, TwinCritic, tiled
from agent.privileged import Privileged
from auxiliary import Auxiliary, GoalInput, GoalRegression
from encoders import Encoder
from encoders.normalizer import Normalizer
from replay.batch import Batch, Observation

# Factor of the motion input: per step, an estimate moves by only a small fraction of the standard deviation of object
# positions. 10 was chosen once and not tuned.
MOTION = 10.0


class Acted(NamedTuple):
    action: Tensor  # (N, A) in [-1, 1]
    goal_estimate: Tensor | None  # (N, G), estimated achieved goal in the goal's own units; None without estimate


class Agent(nn.Module):
    """Encoder, actor, twin critic, their targets, and normalisers of the inputs.

    Args:
        encoders: one encoder, shared by critic and actor; or two, the critic's and the actor's.
        config: sizes.
        target_encoder: give the target critic a polyak-averaged copy of the encoder (as in SB3).
        auxiliaries: other losses that train the encoder, by name. "goal_regression", a `GoalRegression`, also estimates
            the achieved goal for actor and critic.
        goal_input: input of actor and critic: "concat", features and estimate; "replace", the estimate instead of the
            image features; "off", features alone.
        goal_from_estimate: give actor and critic the goal relative to the estimate, goal - estimate.
        goal_motion: with `goal_input` "replace", also give them the estimate's change since the previous step.
        goal_from_state: give a critic that reads the state the goal relative to the achieved goal.
        device, seed: device of networks and generator; seed of initial weights and action noise.
    """

    def __init__(
        self,
        encoders: Sequence[Encoder],
        config: NetworkConfig,
        *,
        target_encoder: bool = False,
        auxiliaries: Mapping[str, Auxiliary] | None = None,
        goal_input: GoalInput = "off",
        goal_from_estimate: bool = False,
        goal_motion: bool = False,
        goal_from_state: bool = False,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.auxiliaries = nn.ModuleDict(auxiliaries or {})
        if goal_from_estimate and (self.goal_regression is None or goal_input == "off"):
            raise ValueError("a goal can be seen from an estimate only where the estimate is shown")
        if goal_motion and (goal_input != "replace" or target_encoder or len(encoders) == 2):
            raise ValueError("motion is that of estimates in place of features, of one encoder, without a target")
        self.config, self.goal_input, self.goal_from_estimate = config, goal_input, goal_from_estimate
        self.goal_motion = goal_motion
        self.encoder = encoders[0]
        self.actor_encoder = encoders[1] if len(encoders) == 2 else None
        estimate = config.goal_size
        shown = {"off": self.encoder.feature_size, "concat": self.encoder.feature_size + estimate,
                 "replace": config.vector_size + (1 + goal_motion) * estimate}[goal_input]  # fmt: skip
        self.privileged: Privileged | None = None
        if config.state_size:
            self.privileged = Privileged(config.state_size, config.goal_size, config.normalize, goal_from_state)
        sizes = shown + config.goal_size, config.action_size, config.width, config.depth
        critics_size = sizes[0] if self.privileged is None else self.privileged.size
        with torch.random.fork_rng(devices=[]):  # initial weights depend on the seed alone; global state is untouched
            torch.manual_seed(seed)
            self.actor, self.critic = Actor(*sizes), TwinCritic(critics_size, *sizes[1:], config.layer_norm)
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False) if target_encoder else None
        self.target_regression = None
        if target_encoder and self.goal_regression is not None:
            self.target_regression = copy.deepcopy(self.goal_regression.mlp).requires_grad_(False)
        self.vector_normalizer = Normalizer(config.vector_size, config.normalize, config.latent_size)
        self.goal_normalizer = Normalizer(config.goal_size, config.normalize and config.normalize_goal)
        self.device = torch.device(device)
        self.to(self.device)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        for auxiliary in self.auxiliaries.values():
            cast(Auxiliary, auxiliary).generator = self.generator

    @property
    def goal_regression(self) -> GoalRegression | None:
        """The auxiliary loss that estimates the achieved goal, if there is one."""
        return next((one for one in self.auxiliaries.values() if isinstance(one, GoalRegression)), None)

    # ------------------------------------------------------------------ what the networks read

    def normalized(self, obs: Observation) -> Observation:
        """Observations as the encoders read them: the vector normalised, all other parts unchanged."""
        return obs | {"vector": self.vector_normalizer(obs["vector"])}

    def encode(self, obs: Observation) -> Tensor:
        """Features (P, F) of observations, by the critic's encoder."""
        return self.encoder(self.normalized(obs))

    def with_estimate(
        self, features: Tensor, before: Tensor | None = None, regression: nn.Module | None = None
    ) -> Tensor:
        """Network input (P, I) without the goal: the features; with `goal_input` "concat" the estimated achieved goal
        is appended, with "replace" it replaces the image features. No gradient flows through the estimate.

        Args:
            features: (P, F).
            before: estimate (P, G) at the previous observation, in the goal's own units; None for no motion.
            regression: used instead of the agent's goal regression.
        """
        if self.goal_input == "off":
            return features
        regression = regression or self.goal_regression
        assert regression is not None
        with torch.no_grad():
            estimate = regression(features)  # (P, G), normalised
        if self.goal_input == "concat":
            return torch.cat([features, estimate], dim=-1)
        images = features.shape[1] - self.config.vector_size  # features of the images come first
        return self._replaced(features[:, images:], estimate, before)

    def _replaced(self, vector: Tensor, estimate: Tensor, before: Tensor | None) -> Tensor:
        """Network input (P, I) from normalised vector (P, V) and estimate (P, G); `before` as for `with_estimate`."""
        if not self.goal_motion:
            return torch.cat([vector, estimate], dim=-1)
        assert self.goal_regression is not None
        motion = torch.zeros_like(estimate) if before is None else estimate - self.goal_regression.normalize(before)
        return torch.cat([vector, MOTION * motion, estimate], dim=-1)

    def from_estimate(self, obs: Observation) -> Tensor:
        """Network input without the goal, (P, I), from the stored `obs["estimate"]`: the encoder is not called."""
        assert self.goal_regression is not None and self.goal_input == "replace"
        vector, estimate = self.vector_normalizer(obs["vector"]), self.goal_regression.normalize(obs["estimate"])
        return self._replaced(vector, estimate, obs["estimate_before"] if self.goal_motion else None)

    def denormalized_estimate(self, inputs: Tensor) -> Tensor:
        """Estimated achieved goal (P, G) in the goal's own units, from the last G columns of network inputs (P, I)."""
        assert self.goal_regression is not None and self.goal_input != "off"
        return self.goal_regression.denormalize(inputs[:, -self.config.goal_size :])

    def state(self, inputs: Tensor, goal: Tensor) -> Tensor:
        """State of actor and critic, (B, S): inputs (P, I) tiled to B rows, then the goals (B, G).

        The goal is either normalised, or relative to the estimated achieved goal in the last G columns of the inputs.
        """
        inputs = tiled(inputs, len(goal))
        if self.goal_from_estimate:
            assert self.goal_regression is not None
            goal = self.goal_regression.normalizer(goal) - inputs[:, -goal.shape[1] :].detach()
        else:
            goal = self.goal_normalizer(goal)
        return torch.cat([inputs, goal], dim=-1)

    def critic_state(self, inputs: Tensor, goal: Tensor) -> Tensor:
        """State of the critic (B, S): equal to the actor's (`state`), unless the critic reads the full state."""
        return self.state(inputs, goal) if self.privileged is None else self.privileged.state(inputs, goal)

    def auxiliary_losses(self, encoded: Tensor | None, batch: Batch) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Yield loss and metrics of each auxiliary, from the encoder's features (P, F) of a batch; nothing if `encoded`
        is None (the encoder is not trained)."""
        if encoded is not None:
            for auxiliary in self.auxiliaries.values():
                yield cast(Auxiliary, auxiliary).loss(encoded, batch)

    def noise(self, rows: int) -> Tensor:
        """Standard normal noise (rows, A) for the actor."""
        return torch.randn(rows, self.config.action_size, device=self.device, generator=self.generator)

    def target_pairs(self) -> tuple[list[Tensor], list[Tensor]]:
        """Parameters of the target networks, and of the online networks that they follow."""
        targets: list[Tensor] = list(self.target_critic.parameters())
        online: list[Tensor] = list(self.critic.parameters())
        if self.target_encoder is not None:
            targets += self.target_encoder.parameters()
            online += self.encoder.parameters()
        if self.target_regression is not None and self.goal_regression is not None:
            targets += self.target_regression.parameters()
            online += self.goal_regression.mlp.parameters()
        for auxiliary in self.auxiliaries.values():
            following, followed = cast(Auxiliary, auxiliary).target_pairs()
            targets, online = targets + following, online + followed
        return targets, online

    # ------------------------------------------------------------------ acting

    @torch.no_grad()
    def act(self, obs: Observation, goal: Tensor, *, deterministic: bool = False) -> Acted:
        """Actions for N observations and goals (N, G): a sample, or the tanh of the mean."""
        inputs, estimate = self._read(obs)
        state = self.state(inputs, goal)
        if deterministic:
            return Acted(self.actor(state)[0].tanh(), estimate)
        return Acted(self.actor.sample(state, self.noise(len(goal)))[0], estimate)

    @torch.no_grad()
    def estimate_goal(self, obs: Observation) -> Tensor:
        """Achieved goals (N, G) estimated from the images of N observations, in the goal's own units."""
        return self.denormalized_estimate(self.with_estimate(self.encode(obs)))

    def _read(self, obs: Observation) -> tuple[Tensor, Tensor | None]:
        """Actor input (N, I) without the goal, and the estimated achieved goal (N, G), None without estimate."""
        if "estimate" in obs:
            return self.from_estimate(obs), obs["estimate"]
        features = (self.actor_encoder or self.encoder)(self.normalized(obs))
        inputs = self.with_estimate(features)
        if self.goal_regression is None:
            return inputs, None
        if self.goal_input == "off":
            return inputs, self.goal_regression.denormalize(self.goal_regression(features))
        return inputs, self.denormalized_estimate(inputs)

    @property
    def normalizers(self) -> list[Normalizer]:
        """Normalisers of vector, goal and, with a goal regression, achieved goal; then those of a critic that reads the
        state."""
        achieved = [] if self.goal_regression is None else [self.goal_regression.normalizer]
        privileged = [] if self.privileged is None else self.privileged.normalizers
        return [self.vector_normalizer, self.goal_normalizer, *achieved, *privileged]

    def normalized_vectors(
        self, vector: Tensor, goal: Tensor, achieved_goal: Tensor, state: Tensor | None = None
    ) -> list[Tensor]:
        """Inputs of the `normalizers`, in order, from (N, V), (N, G), (N, G) and, if the critic reads it, (N, S)."""
        achieved = [] if self.goal_regression is None else [achieved_goal]
        privileged = [] if self.privileged is None or state is None else self.privileged.vectors(state, goal)
        return [vector, goal, *achieved, *privileged]

    def update_normalizers(
        self, vector: Tensor, goal: Tensor, achieved_goal: Tensor, state: Tensor | None = None
    ) -> None:
        """Update the running statistics with observations, given as for `normalized_vectors`."""
        given = self.normalized_vectors(vector, goal, achieved_goal, state)
        for normalizer, inputs in zip(self.normalizers, given, strict=False):
            normalizer.update(inputs)

    # ------------------------------------------------------------------ saving

    def policy_state(self) -> dict[str, Any]:
        """Tensors by name that `act()` needs."""
        return {name: value for name, value in self.state_dict().items() if _acts(name)}

    def load_policy_state(self, state: dict[str, Any]) -> None:
        """Load a `policy_state()`. Raises RuntimeError if it belongs to other networks."""
        missing = self.load_state_dict(state, strict=False)
        lacking = [name for name in missing.missing_keys if _acts(name)]
        if lacking or missing.unexpected_keys:
            raise RuntimeError(f"of other networks: {[*lacking, *missing.unexpected_keys]}")


def _acts(name: str) -> bool:
    """Whether acting needs the tensor of that name."""
    part, _, rest = name.partition(".")
    learns = ("critic", "privileged", "target_critic", "target_encoder", "target_regression")
    return part not in learns and (part != "auxiliaries" or rest.startswith("goal_regression."))
