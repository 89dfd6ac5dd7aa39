"""Goals as points in the latent space of an autoencoder (RIG, Nair et al. 2018; Skew-Fit, Pong et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from goals.autoencoder import CHUNK, Autoencoder, Examples
from goals.goal_encoder import GoalEncoder, GoalRenderer
from goals.skew import POOL, SkewedGoals
from goals.training import AutoencoderTraining

if TYPE_CHECKING:
    from replay import Ring


class LatentGoals(GoalEncoder):
    """Achieved goals: latents of observed images. Desired goals: latents of rendered images of the goals.

    The environment's own goal positions are used only to render these images. G is the number of latents.

    Args:
        autoencoder, render: read the latest image of an observation, and render the images of goals.
        sparse: reward -1 until the goal is reached and 0 then, instead of minus the distance in latent space.
        threshold: distance in latent space below which a goal is reached.
        skewed: sample imagined goals from stored images, in proportion to p(x)^-1, instead of from N(0, I).
        shown: the networks read the achieved goals, too: they are the last numbers of the observation's vector.
        seed: seed of the autoencoder's training.
    """

    def __init__(
        self, autoencoder: Autoencoder, render: GoalRenderer, *, sparse: bool, threshold: float, skewed: bool,
        shown: bool, seed: int,
    ) -> None:  # fmt: skip
        super().__init__(autoencoder, render)
        self.sparse, self.threshold, self.skewed, self.shown = sparse, threshold, skewed, shown
        self.training = AutoencoderTraining(autoencoder, seed)
        self.pool: SkewedGoals | None = None

    def goals(self, obs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Achieved and desired goals (N, G) float64, of "pixels" (N, H, W, >= C), latest last, and "desired_goal"."""
        latest = torch.from_numpy(obs["pixels"][..., -self.autoencoder.channels :])
        return self.encode(latest).numpy(), self.desired(obs["desired_goal"]).numpy()

    def reward(self, achieved: Tensor, desired: Tensor) -> Tensor:
        """Minus the distance in latent space (RIG, eq. 3), or -1 and 0, (B,) float32."""
        if self.sparse:
            return self.reached(achieved, desired).float() - 1
        return -(achieved - desired).norm(dim=-1).float()

    def reached(self, achieved: Tensor, desired: Tensor) -> Tensor:
        """Whether achieved and desired goals are closer than the threshold, (B,) bool."""
        return (achieved - desired).norm(dim=-1) < self.threshold

    def imagine(self, count: int, generator: torch.Generator) -> Tensor:
        """Imagined goals (count, G), float64: samples of N(0, I) or, if there is a pool, of the skewed distribution."""
        if self.pool is not None:
            self.pool = SkewedGoals(*(part.to(generator.device) for part in self.pool))  # moved once
            return self.pool.sample(count, generator)
        return torch.randn(count, self.size, dtype=torch.float64, device=generator.device, generator=generator)

    def refresh(self, ring: Ring) -> None:
        """Encode all stored goals anew: achieved goals from the stored images, desired ones from rendered images."""
        storage = ring.storage
        rows = torch.arange(storage.written, device=storage.device)
        for part in rows.split(CHUNK):
            achieved = self.encode(storage.gather("pixels", part)).to(storage.device)
            storage.tables["achieved_goal"][part] = achieved
            if self.shown:
                storage.tables["vector"][part, -self.size :] = achieved.float()
        places, which = storage.gather("goal_position", rows).cpu().unique(dim=0, return_inverse=True)
        storage.tables["desired_goal"][rows] = self.desired(places.numpy())[which].to(storage.device)

    def learn(self, examples: Examples, updates: int, **options: Any) -> None:
        """Train the autoencoder by `fit`; with skewed goals, from the second call on, more on rare images."""
        weights = self.training.weights(examples) if self.pool is not None else None
        self.training.fit(examples, updates, weights=weights, **options)
        self.forget()
        if self.skewed:
            self.pool = SkewedGoals(self.encode(examples.pixels), self.training.weights(examples))

    def learn_again(self, ring: Ring, updates: int) -> None:
        """Train the VAE on skewed stored images, and re-encode all stored goals (Skew-Fit, algorithm 1)."""
        rows = torch.randint(ring.storage.written, (POOL,), generator=self.training.generator)
        pixels, vector = (ring.storage.gather(name, rows.to(ring.storage.device)) for name in ("pixels", "vector"))
        self.learn(Examples(pixels, vector[:, : self.autoencoder.told]), updates)
        self.refresh(ring)

    def state_dict(self) -> dict[str, Any]:
        """State that learning needs, including `policy_state()`."""
        return {"model": self.policy_state(), "pool": self.pool and self.pool._asdict()} | self.training.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.load_policy_state(state["model"])
        self.training.load_state_dict(state)
        self.pool = None if state["pool"] is None else SkewedGoals(**state["pool"])
