"""Latents of images and of goals, by an autoencoder."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from goals.autoencoder import CHUNK, Autoencoder

KNOWN = 256  # goals whose latents are cached


class GoalRenderer(Protocol):
    """Goals (N, 3) in metres -> their images (N, H, W, C) uint8."""

    def __call__(self, goals: NDArray[np.float64], /) -> NDArray[np.uint8]: ...

    def close(self) -> None:
        """Free the renderer's resources. Rendering again afterwards is allowed."""
        ...


@torch.no_grad()
def encoded(autoencoder: Autoencoder, pixels: Tensor) -> Tensor:
    """Latents (N, Z) of images (N, H, W, C) uint8, float64 on the CPU."""
    parts = (autoencoder.prepared(part.to(autoencoder.device)) for part in pixels.split(CHUNK))
    return torch.cat([autoencoder.latent(part).double().cpu() for part in parts])


class GoalEncoder:
    """Latents of images, and of the rendered images of goals.

    Args:
        autoencoder: reads the latest image of an observation.
        render: renders the goals' images.
    """

    def __init__(self, autoencoder: Autoencoder, render: GoalRenderer) -> None:
        self.autoencoder, self.render, self.size = autoencoder, render, autoencoder.latents
        self._known: dict[bytes, Tensor] = {}  # latent (1, G) of a goal in metres

    def encode(self, pixels: Tensor) -> Tensor:
        """Latents (N, G) of images (N, H, W, C) uint8, float64 on the CPU."""
        return encoded(self.autoencoder, pixels)

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

    def forget(self) -> None:
        """Forget the cached latents: the autoencoder has moved."""
        self._known.clear()

    def policy_state(self) -> dict[str, Any]:
        """State that acting needs, and the decoder's weights."""
        return self.autoencoder.state_dict()

    def load_policy_state(self, state: dict[str, Any]) -> None:
        """Load a `policy_state()`. Raises RuntimeError if it belongs to another autoencoder."""
        self.autoencoder.load_state_dict(state)
        self.forget()

    def close(self) -> None:
        self.render.close()
