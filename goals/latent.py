"""Goals as points in the latent space of a VAE (RIG, Nair et al. 2018; Skew-Fit, Pong et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from goals.skew import SkewedGoals, skewed_weights
from goals.vae import SAMPLES, VAE, fit

if TYPE_CHECKING:
    from replay import Ring

LEARNING_RATE = 1e-3  # Adam's
CHUNK = 256  # images per encoder pass
KNOWN = 256  # goals whose latents are cached
POOL = 1000  # stored observations from which the skewed distribution is made


class GoalRenderer(Protocol):
    """Goals (N, 3) in metres -> their images (N, H, W, C) uint8."""

    def __call__(self, goals: NDArray[np.float64], /) -> NDArray[np.uint8]: ...

    def close(self) -> None:
        """Free the renderer's resources. Rendering again afterwards is allowed."""
        ...


class LatentGoals:
    """Achieved goals: latent means of observed images. Desired goals: latent means of rendered images of the goals.

    The environment's own goal positions are used only to render these images.

    Args:
        vae: reads the latest image of an observation.
        render: renders the goals' images.
        sparse: reward -1 until the goal is reached and 0 then, instead of minus the distance in latent space.
        threshold: distance in latent space below which a goal is reached.
        skewed: sample imagined goals from stored images, in proportion to p(x)^-1, instead of from N(0, I).
        seed: seed of the VAE's training.

    Attributes:
        size: G, number of the VAE's latents.
    """

    def __init__(
        self,
        vae: VAE,
        render: GoalRenderer,
        *,
        sparse: bool,
        threshold: float,
        skewed: bool,
        seed: int,
    ) -> None:
        self.vae, self.render, self.size = vae, render, vae.latents
        self.sparse, self.threshold, self.skewed = sparse, threshold, skewed
        self.device = next(vae.parameters()).device
        self.optimizer = torch.optim.Adam(vae.parameters(), LEARNING_RATE)
        self.generator = torch.Generator().manual_seed(seed)
        self.pool: SkewedGoals | None = None
        self._known: dict[bytes, Tensor] = {}  # latent (1, G) of a goal in metres

    # ------------------------------------------------------------------ the goal space

    def goals(self, obs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Achieved and desired goals (N, G), float64, from "pixels" (N, H, W, >= C), the latest image last, and
        "desired_goal" (N, 3)."""
        latest = obs["pixels"][..., -self.vae.channels :]
        return self.encode(torch.from_numpy(latest)).numpy(), self.desired(obs["desired_goal"]).numpy()

    def reward(self, achieved: Tensor, desired: Tensor) -> Tensor:
        """Minus the distance in latent space (RIG, eq. 3), or -1 and 0, (B,) float32."""
        if self.sparse:
            return self.reached(achieved, desired).to(torch.float32) - 1
        return -(achieved - desired).norm(dim=-1).to(torch.float32)

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
        """Re-encode all stored goals after training the VAE: achieved goals from the stored images, desired goals from
        rendered images."""
        self._known.clear()
        storage = ring.storage
        rows = torch.arange(storage.written, device=storage.device)
        for part in rows.split(CHUNK):
            achieved = self.encode(storage.gather("pixels", part))
            storage.tables["achieved_goal"][part] = achieved.to(storage.device)
        places, which = storage.gather("goal_position", rows).cpu().unique(dim=0, return_inverse=True)
        desired = self.desired(places.numpy())
        storage.tables["desired_goal"][rows] = desired[which].to(storage.device)

    # ------------------------------------------------------------------ the VAE

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Latent means (N, G) of images (N, H, W, C) uint8, float64 on the CPU."""
        return self.vae.posterior(self.vae.cropped(pixels.to(self.device)))[0].double().cpu()

    def desired(self, places: NDArray[np.float64]) -> Tensor:
        """Latents (N, G) of goals (N, 3) in metres, encoded one at a time so that no latent depends on other goals."""
        found = []
        for place in places:
            key = place.tobytes()
            if key not in self._known:
                self._known[key] = self.encode(torch.from_numpy(self.render(place[None])))
                if len(self._known) > KNOWN:
                    del self._known[next(iter(self._known))]
            found.append(self._known[key])
        return torch.cat(found)

    def learn(self, pixels: Tensor, updates: int, tell: Callable[[int], object] = int) -> None:
        """Train the VAE on images (N, H, W, C); with skewed goals, from the second call on, more on rare images."""
        weights = self.weights(pixels) if self.skewed and self.pool is not None else None
        fit(self.vae, self.optimizer, pixels, updates, self.generator, weights, tell)
        self._known.clear()
        if self.skewed:
            encoded = torch.cat([self.encode(part) for part in pixels.split(CHUNK)])
            self.pool = SkewedGoals(encoded, self.weights(pixels))

    def learn_again(self, ring: Ring, updates: int) -> None:
        """Train the VAE on skewed stored images, and re-encode all stored goals (Skew-Fit, algorithm 1)."""
        storage = ring.storage
        rows = torch.randint(storage.written, (POOL,), generator=self.generator).to(storage.device)
        self.learn(storage.gather("pixels", rows), updates)
        self.refresh(ring)

    def weights(self, pixels: Tensor) -> Tensor:
        """Skewed weights (N,) of images (N, H, W, C), which sum to 1."""
        parts = []
        for part in pixels.split(CHUNK):
            noise = torch.randn(SAMPLES, len(part), self.size, generator=self.generator).to(self.device)
            parts.append(self.vae.log_likelihood(self.vae.cropped(part.to(self.device)), noise))
        return skewed_weights(torch.cat(parts).cpu())

    # ------------------------------------------------------------------ saving

    def policy_state(self) -> dict[str, Any]:
        """State that acting needs."""
        return self.vae.state_dict()

    def load_policy_state(self, state: dict[str, Any]) -> None:
        """Load a `policy_state()`. Raises RuntimeError if it belongs to another VAE."""
        self.vae.load_state_dict(state)
        self._known.clear()

    def state_dict(self) -> dict[str, Any]:
        """State that learning needs, including `policy_state()`."""
        return {
            "vae": self.policy_state(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "pool": None if self.pool is None else self.pool._asdict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.load_policy_state(state["vae"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.pool = None if state["pool"] is None else SkewedGoals(**state["pool"])

    def close(self) -> None:
        self.render.close()
