"""Ours with a CNN that is trained too (an ablation): from pixels, since features that change cannot be cached. The geometry model stays frozen,
and so do the statistics of the CNN's norms."""

import torch
from torch import Tensor, nn

from ..data.pixels import PixelBatch
from ..models.geomap import FrozenFeatures, GeoMapHead
from ..train.pixels import TrainingPass
from ..train.sampler import Places


class TunedGeoMap(nn.Module):
    """frozen: with the weights that training starts from."""

    bfloat16 = False

    def __init__(self, frozen: FrozenFeatures, head: GeoMapHead, embedding: int) -> None:
        super().__init__()
        self.frozen, self.head, self.embedding = frozen.requires_grad_(False), head, embedding
        self.frozen.cnn.requires_grad_(True)
        self.offsets_m = head.offsets_m

    def train(self, mode: bool = True) -> "TunedGeoMap":
        super().train(mode)
        self.frozen.eval()
        return self

    def ground(self, image: Tensor, mask: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] and [B, H, W] -> unit vectors [B, K, D]."""
        straight = torch.zeros(len(image), 1, dtype=torch.int64, device=image.device)
        return self.head.ground(self.frozen.ground(image, mask), straight)[:, 0]

    def satellite(self, image: Tensor) -> Tensor:
        """uint8 [B, S, S, 3] -> unit vectors [B, D]."""
        return self.head.satellite(self.frozen.satellite(image))

    def training_pass(self, batch: PixelBatch, places: Places, progress: float) -> TrainingPass:
        return TrainingPass(self.ground(batch.canvas, batch.mask), self.satellite(batch.tile))

    def scale(self) -> Tensor:
        return self.head.scale()
