"""GeoDTR (Zhang et al., AAAI 2023): a transformer reads the layout out of the CNN's features into descriptors, each a weight for every place, and a
counterfactual loss asks that the vector by these differs from the vector by random ones."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import Config
from ..data.pixels import PixelBatch
from ..models.layers import SelfAttentionBlock
from ..models.lite0 import STRIDE16_CHANNELS
from ..train.pixels import TrainingPass
from ..train.sampler import Places
from .rival import Rival, RivalConfig

SHARPNESS = 5.0
"""Of the counterfactual loss, the paper's beta."""


@dataclass(frozen=True)
class GeoDtrConfig(RivalConfig):
    """descriptors: of the layout; width, depth, heads: of the transformer; counterfactual_weight: of its loss, 0 turns it off."""

    shared: bool = False
    descriptors: int = 8
    width: int = 96
    depth: int = 2
    heads: int = 4
    counterfactual_weight: float = 1.0


class LayoutExtractor(nn.Module):
    """[B, C, h, w] -> descriptors [B, K, h * w] in [-1, 1]."""

    def __init__(self, options: GeoDtrConfig, places: int) -> None:
        super().__init__()
        self.enter = nn.Linear(STRIDE16_CHANNELS, options.width)
        self.position = nn.Parameter(torch.randn(1, places, options.width) * 0.02)
        self.blocks = nn.Sequential(*(SelfAttentionBlock(options.width, options.heads) for _ in range(options.depth)))
        self.leave = nn.Sequential(nn.LayerNorm(options.width), nn.Linear(options.width, options.descriptors), nn.Tanh())

    def forward(self, features: Tensor) -> Tensor:
        x = self.enter(features.flatten(2).transpose(1, 2)) + self.position  # [B, P, D]
        return self.leave(self.blocks(x)).transpose(1, 2)


def aggregate(features: Tensor, descriptors: Tensor) -> Tensor:
    """[B, C, h, w] by [B, K, h * w] -> [B, K * C]."""
    return (descriptors @ features.flatten(2).transpose(1, 2)).flatten(1)


class GeoDtr(Rival):
    def __init__(self, config: Config, options: GeoDtrConfig) -> None:
        super().__init__(config, options)
        g = config.geometry
        self.options = options
        self.embedding = options.descriptors * STRIDE16_CHANNELS
        self.ground_layout = LayoutExtractor(options, g.canvas_height_px // 16 * (g.canvas_width_px // 16))
        self.satellite_layout = LayoutExtractor(options, (g.tile_px // 16) ** 2)

    def describe_ground(self, features: Tensor) -> Tensor:
        return aggregate(features, self.ground_layout(features))

    def describe_satellite(self, features: Tensor) -> Tensor:
        return aggregate(features, self.satellite_layout(features))

    def training_pass(self, batch: PixelBatch, places: Places, progress: float) -> TrainingPass:
        features = self.cnn.ground(batch.canvas, batch.mask), self.cnn.satellite(self.satellite_pixels(batch.tile))
        ground, satellite = (nn.functional.normalize(v, dim=-1) for v in (self.describe_ground(features[0]), self.describe_satellite(features[1])))
        generator = torch.Generator().manual_seed(batch.seed)
        loss = sum(self.counterfactual_loss(x, v, generator) for x, v in zip(features, (ground, satellite), strict=True))
        return TrainingPass(ground[:, None], satellite, self.options.counterfactual_weight * loss)

    def counterfactual_loss(self, features: Tensor, vector: Tensor, generator: torch.Generator) -> Tensor:
        """log(1 + exp(-beta * distance)) of unit vectors [B, D] to those by descriptors drawn uniformly from [-1, 1]."""
        B, _, h, w = features.shape
        drawn = (torch.rand(B, self.options.descriptors, h * w, generator=generator) * 2 - 1).to(features)
        other = nn.functional.normalize(aggregate(features, drawn), dim=-1)
        return nn.functional.softplus(-SHARPNESS * (vector.float() - other.float()).norm(dim=-1)).mean()
