"""Pretrained networks as encoders: frozen, so that each image is encoded only once, or fine-tuned."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.fx.experimental import optimization

from encoders import published
from encoders.base import Encoder
from encoders.pixels import NATURE_TRUNK, TRUNK, Pooling
from encoders.pooling import FlatTrunk
from encoders.preprocessing import preprocess
from encoders.transformer import VisionTransformer
from replay.batch import Observation


class Backbone(nn.Module):
    """A pretrained network, applied to each camera's image of each stacked frame.

    Always in eval mode: in train mode, BatchNorms would normalise by the minibatch, and their statistics would drift.

    Args:
        file: path of published weights (`encoders/published.py`), or "random".
        side: pixels per side that images are resized to.

    Attributes:
        size: F, features per image.

    Raises:
        ValueError: as `published.load` does.
    """

    def __init__(self, file: str, side: int) -> None:
        super().__init__()
        network = published.load(file)
        self.network: nn.Module = network
        self.side, self.size = side, network.size
        self.mode = "bicubic" if isinstance(network, VisionTransformer) else "bilinear"

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, H, W, 3 K) uint8 -> (N, K F): the features of the K images, in the images' order."""
        images = pixels.unflatten(-1, (-1, 3)).movedim(-2, 1).flatten(0, 1)  # (N K, H, W, 3)
        prepared = preprocess(images, self.side, self.mode).to(next(self.network.parameters()).dtype)
        return self.network(prepared).unflatten(0, (len(pixels), -1)).flatten(1)

    def fold_norms(self) -> Self:
        """Fold BatchNorms into the convolutions before them, and return self. Do not train the network afterwards."""
        if any(isinstance(module, nn.BatchNorm2d) for module in self.network.modules()):
            self.network = optimization.fuse(self.network)
        return self

    @torch.no_grad()
    def embed(self, pixels: Tensor) -> Tensor:
        """Features as of `forward`, without gradient and in float16, which halves the replay's memory."""
        return self(pixels).half()

    def train(self, mode: bool = True) -> Self:
        return super().train(False)


class PretrainedEncoder(Encoder):
    """Features of a pretrained network, a Linear, optional LayerNorm and Tanh; the vector is appended.

    Args:
        backbone: network to fine-tune; None for a frozen network, whose features are the observation "embedding".
        embedding_size: E, features of all images together.
        pooling: "flat" (a Linear to 50) or "relu" (a Linear to 256, then ReLU).
        vector_size: V.
        feature_norm: LayerNorm and Tanh after the Linear.
    """

    def __init__(
        self,
        backbone: Backbone | None,
        embedding_size: int,
        pooling: Pooling,
        vector_size: int,
        feature_norm: bool = True,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.trunk = FlatTrunk(embedding_size, 1, 1, NATURE_TRUNK if pooling == "relu" else TRUNK, pooling == "relu")
        self.norm = nn.Sequential(nn.LayerNorm(self.trunk.out), nn.Tanh()) if feature_norm else nn.Identity()
        self.feature_size = self.trunk.out + vector_size

    def forward(self, obs: Observation) -> Tensor:
        """vector (P, V), and embedding (P, E) float16 or pixels (P, H, W, 3 K) uint8 -> (P, F)."""
        embedding = obs["embedding"] if self.backbone is None else self.backbone(obs["pixels"])
        maps = embedding.to(obs["vector"].dtype)[:, :, None, None]  # maps of a single position
        return torch.cat([self.norm(self.trunk(maps)), obs["vector"]], dim=-1)
