"""SAFA (Shi et al., NeurIPS 2019): the tile is unrolled about its centre, so that its columns are azimuths as the panorama's are, and spatial-aware
feature aggregation reads both.

The unrolling supposes a camera at the tile's centre. Here the queries are up to a quarter of a tile off it in each axis, as on VIGOR, and that is
this method's known weakness, not an accident of this code.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import Config
from ..geometry.e2p import bilinear_gather
from ..models.lite0 import STRIDE16_CHANNELS
from .rival import Rival, RivalConfig


class PolarTransform(nn.Module):
    """Square [B, C, size, size], up in the middle -> [B, C, rows, columns]: columns are azimuths clockwise with up in the middle, the top row
    is the circle that touches the edges, the bottom row the centre."""

    def __init__(self, size: int, rows: int, columns: int) -> None:
        super().__init__()
        radius = size / 2 * (1 - (torch.arange(rows, dtype=torch.float64) + 0.5) / rows)
        azimuth = ((torch.arange(columns, dtype=torch.float64) + 0.5) / columns - 0.5) * 2 * math.pi
        x = size / 2 + radius[:, None] * torch.sin(azimuth) - 0.5
        y = size / 2 - radius[:, None] * torch.cos(azimuth) - 0.5
        index, weight = bilinear_gather(x.flatten(), y.flatten(), size, size, wraps=False)
        self.size, self.shape = size, (rows, columns)
        self.register_buffer("index", index.flatten(), persistent=False)
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """ValueError for another size."""
        if image.shape[-2:] != (self.size, self.size):
            raise ValueError(f"tile: expected {self.size} x {self.size} px, got {image.shape[-2]} x {image.shape[-1]}")
        samples = image.flatten(2).index_select(2, self.index).unflatten(2, (-1, 4))  # [B, C, rows * columns, 4]
        return (samples * self.weight).sum(-1).unflatten(2, self.shape)


class SpatialAggregation(nn.Module):
    """[B, C, h, w] -> [B, heads * C]: each head weighs the places by two layers that see the strongest response at every place."""

    def __init__(self, places: int, heads: int) -> None:
        super().__init__()
        hidden = places // 2
        self.enter = nn.Parameter(torch.randn(heads, places, hidden) * 0.005)
        self.enter_bias = nn.Parameter(torch.full((heads, 1, hidden), 0.1))
        self.leave = nn.Parameter(torch.randn(heads, hidden, places) * 0.005)
        self.leave_bias = nn.Parameter(torch.full((heads, 1, places), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        strongest = x.amax(1).flatten(1)  # [B, P]
        weight = (strongest @ self.enter + self.enter_bias) @ self.leave + self.leave_bias  # [heads, B, P]
        return torch.einsum("bcp,hbp->bhc", x.flatten(2), weight.to(x.dtype)).flatten(1)


@dataclass(frozen=True)
class SafaPolarConfig(RivalConfig):
    """Each view has weights of its own, as in the paper, since nothing alike is seen by both."""

    shared: bool = False
    heads: int = 8


class SafaPolar(Rival):
    def __init__(self, config: Config, options: SafaPolarConfig) -> None:
        super().__init__(config, options)
        g = config.geometry
        self.embedding = options.heads * STRIDE16_CHANNELS
        rows, columns = g.tile_px // 2, g.canvas_width_px
        self.polar = PolarTransform(g.tile_px, rows, columns)
        self.of_ground = SpatialAggregation(g.canvas_height_px // 16 * (columns // 16), options.heads)
        self.of_satellite = SpatialAggregation(rows // 16 * (columns // 16), options.heads)

    def satellite_pixels(self, image: Tensor) -> Tensor:
        return self.polar(super().satellite_pixels(image))

    def describe_ground(self, features: Tensor) -> Tensor:
        return self.of_ground(features)

    def describe_satellite(self, features: Tensor) -> Tensor:
        return self.of_satellite(features)
