"""Contrast: tell which image another crop comes from (CURL, Laskin et al. 2020)."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxiliary.base import Auxiliary, Sizes
from encoders.base import Encoder
from replay.augment import random_offsets, shift
from replay.batch import Batch

PAD = 4  # pixels by which a key's crop is moved at most


class Curl(Auxiliary):
    """Each observation's features are to be nearest to those of another crop of the same images.

    The keys come from a copy of the encoder that follows it by polyak averaging, without gradient. The anchor is what
    the critic reads, and the key a crop of that: with random shifts it is moved twice. Only features of the images are
    compared; with the vector beside them the robot's own numbers alone would tell all observations apart.

    Args:
        encoder: of observations with images.
        sizes: F is their features.
        weight: of the loss.
    """

    def __init__(self, encoder: Encoder, sizes: Sizes, weight: float) -> None:
        super().__init__()
        self.online = [encoder]  # in a list, for its parameters are not this loss's own
        self.key_encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.bilinear = nn.Parameter(torch.rand(sizes.features, sizes.features))
        self.weight = weight

    def loss(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of the own key among all of the minibatch; also reports how often it is the nearest."""
        size = len(self.bilinear)
        with torch.no_grad():
            pixels = batch.obs["pixels"]
            crop = shift(pixels, random_offsets(len(pixels), PAD, self.generator), PAD)
            keys = self.key_encoder(batch.obs | {"pixels": crop})[:, :size]  # (P, F)
        scores = features[:, :size] @ self.bilinear @ keys.T  # (P, P), z W z' of each anchor with each key
        own = torch.arange(len(scores), device=scores.device)
        loss = F.cross_entropy(scores, own)
        found = (scores.detach().argmax(1) == own).float().mean()
        return self.weight * loss, {"curl_loss": loss.detach(), "curl_accuracy": found}

    def target_pairs(self) -> tuple[list[Tensor], list[Tensor]]:
        return list(self.key_encoder.parameters()), list(self.online[0].parameters())
