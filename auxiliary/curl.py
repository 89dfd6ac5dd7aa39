"""Contrastive loss: match each image with another crop of itself (CURL, Laskin et al. 2020)."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxiliary.base import Auxiliary, Sizes
from encoders.base import Encoder
from replay.augment import random_offsets, shift
from replay.batch import Batch

PAD = 4  # pixels, the largest shift of a key's crop


class Curl(Auxiliary):
    """Train each observation's features to score highest with the features of another crop of the same images.

    Keys come from a polyak-averaged copy of the encoder, without gradient. The anchor is the image that the critic
    reads, and the key is a crop of the anchor: with random shifts, the key is shifted twice. Only image features are
    compared: with the vector, proprioception alone would tell all observations apart.

    Args:
        encoder: image encoder.
        sizes: F is the number of image features.
        weight: factor of the loss.
    """

    def __init__(self, encoder: Encoder, sizes: Sizes, weight: float) -> None:
        super().__init__()
        self.online = [encoder]  # in a list, because its parameters are not this loss's own
        self.key_encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.bilinear = nn.Parameter(torch.rand(sizes.features, sizes.features))
        self.weight = weight

    def loss(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of each anchor's own key among all keys of the minibatch; also reports the accuracy."""
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
