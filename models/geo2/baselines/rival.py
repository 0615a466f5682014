"""What the rivals of the embedding share: the CNN, one hypothesis (the camera stands at the tile's centre), a learned temperature, InfoNCE.

Each is written after its paper, at our sizes: EfficientNet-Lite0 where theirs have ConvNeXt or VGG, our loss with our sampler of near samples.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import Config
from ..data.pixels import PixelBatch
from ..train.pixels import TrainingPass
from ..train.sampler import Places
from .two_view_cnn import TwoViewCnn


@dataclass(frozen=True)
class RivalConfig:
    """shared, frozen_blocks: as `TwoViewCnn` has them. bfloat16: whether products are computed so while it trains."""

    shared: bool = True
    frozen_blocks: int = 0
    bfloat16: bool = False


class Rival(nn.Module):
    """Subclasses say how features [B, 112, h, w] of either view become a vector, and how wide it is (`embedding`)."""

    embedding: int

    def __init__(self, config: Config, options: RivalConfig) -> None:
        super().__init__()
        self.geometry, self.options, self.bfloat16 = config.geometry, options, options.bfloat16
        self.label_smoothing = config.geomap_training.label_smoothing
        self.offsets_m = [(0.0, 0.0)]
        self.cnn = TwoViewCnn(options.shared, options.frozen_blocks)
        self.log_scale = nn.Parameter(torch.tensor(2.7))

    def describe_ground(self, features: Tensor) -> Tensor:
        raise NotImplementedError

    def describe_satellite(self, features: Tensor) -> Tensor:
        raise NotImplementedError

    def satellite_pixels(self, image: Tensor) -> Tensor:
        """uint8 [B, S, S, 3] -> what the CNN sees, [B, 3, h, w] in [0, 1]."""
        return image.permute(0, 3, 1, 2).float() / 255

    def ground(self, image: Tensor, mask: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] and [B, H, W] -> unit vectors [B, 1, D]."""
        return nn.functional.normalize(self.describe_ground(self.cnn.ground(image, mask)), dim=-1)[:, None]

    def satellite(self, image: Tensor) -> Tensor:
        """uint8 [B, S, S, 3] -> unit vectors [B, D]."""
        return nn.functional.normalize(self.describe_satellite(self.cnn.satellite(self.satellite_pixels(image))), dim=-1)

    def training_pass(self, batch: PixelBatch, places: Places, progress: float) -> TrainingPass:
        return TrainingPass(self.ground(batch.canvas, batch.mask), self.satellite(batch.tile))

    def scale(self) -> Tensor:
        """1 / temperature, at most 100."""
        return self.log_scale.exp().clamp(max=100.0)
