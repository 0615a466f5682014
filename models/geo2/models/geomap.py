"""GeoMap: both views into one geometry-aware space.

Each branch: CNN tokens query the frozen geometry model's tokens by cross-attention. The ground branch then lifts its tokens into a metric
grid around the camera, at the ranges that the geometry model sees; the satellite tokens lie on that grid already; one convolutional
encoder with the same weights reads both. A camera rarely stands at a tile's centre, so the ground grid is larger than a tile, and each
tile-sized window of it is a hypothesis of where the tile's centre lies: one pass gives an embedding for each (`Hypothesis`). With pooling
`mean`, the paper's form, tokens are averaged instead and there is one hypothesis.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import Config
from ..geometry.lift import PolarLift, RangeHistogram
from .gfm import CLASSES, Aggregate, GeometryFoundationModel
from .layers import GridBlock
from .lite0 import STRIDE4_CHANNELS, Lite0
from .passes import GroundPass, build_passes
from .tokens import build_tokens

FINE_PER_COARSE = 2
"""Cells of the grid that the encoder joins along each axis before windows are cut."""


@dataclass(frozen=True)
class GroundFeatures:
    """What the frozen parts say of a canvas. h, w: canvas / 4. stride4 [B, 24, h, w], stride8 [B, 40, h/2, w/2], stride16 [B, 112, h/4, w/4],
    tokens [B, V * P, 2D], token_mask [B, V * P] and mask [B, 1, h, w] in [0, 1] (share of valid pixels); log_range and log_scale
    [B, 1, h, w], natural logarithm of metres; classes [B, CLASSES, h, w], probabilities.
    """

    stride4: Tensor
    stride8: Tensor
    stride16: Tensor
    tokens: Tensor
    token_mask: Tensor
    mask: Tensor
    log_range: Tensor
    log_scale: Tensor
    classes: Tensor


@dataclass(frozen=True)
class SatelliteFeatures:
    """What the frozen parts say of a tile: stride8 [B, 40, h, w], stride16 [B, 112, h/2, w/2], tokens [B, P, 2D], heights [B, 1, h, w] and
    classes [B, CLASSES, h, w], shares of the cell."""

    stride8: Tensor
    stride16: Tensor
    tokens: Tensor
    heights: Tensor
    classes: Tensor


@dataclass(frozen=True)
class Hypothesis:
    """Where the camera may stand: the tile's centre lies right_m to the right and ahead_m ahead of it in the frame whose up is the tile's, and
    the canvas' middle looks turn_deg clockwise from that frame's up."""

    turn_deg: float
    right_m: float
    ahead_m: float


class FrozenFeatures(nn.Module):
    """The parts that training leaves alone: E2P, the geometry model, the pretrained CNN. Pixels uint8 in, features out."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.passes = build_passes(config)
        self.gfm = GeometryFoundationModel(config.gfm)
        self.cnn = Lite0()

    def ground(self, image: Tensor, mask: Tensor) -> GroundFeatures:
        """image uint8 [B, H, W, 3], mask uint8 [B, H, W]; pixels under the mask have no influence."""
        pixels, valid = self._canvas(image, mask)
        return self._of_canvas(pixels, valid, self.passes.ground(self.gfm, pixels, valid))

    def satellite(self, image: Tensor) -> SatelliteFeatures:
        """image uint8 [B, H, W, 3]; one frame for the geometry model, whose range head states height + 2 m for it."""
        pixels = _pixels(image)
        return self._of_tile(pixels, self.gfm.aggregate(pixels[:, None]))

    def pair(self, image: Tensor, mask: Tensor, tiles: Tensor) -> tuple[GroundFeatures, SatelliteFeatures]:
        """Of B canvases and a whole number of tiles for each, as training sees them."""
        pixels, valid = self._canvas(image, mask)
        of_tiles = _pixels(tiles)
        ground, satellite = self.passes.pair(self.gfm, pixels, valid, of_tiles)
        return self._of_canvas(pixels, valid, ground), self._of_tile(of_tiles, satellite)

    @staticmethod
    def _canvas(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        valid = mask.to(torch.float32)[:, None]  # [B, 1, H, W]
        return _pixels(image) * valid, valid

    def _of_canvas(self, pixels: Tensor, valid: Tensor, seen: GroundPass) -> GroundFeatures:
        surfaces = self.gfm.surfaces(seen.features)
        B, V, P, _ = seen.features.patches.shape
        token_mask = nn.functional.max_pool2d(seen.view_mask.flatten(0, 1)[:, None], 16).reshape(B, V * P)  # [B, V * P]
        return GroundFeatures(
            *self.cnn(pixels + (1 - valid) * self.cnn.mean),
            seen.features.patches.flatten(1, 2),
            token_mask,
            nn.functional.avg_pool2d(valid, 4),
            self.passes.to_canvas(surfaces.log_range),
            self.passes.to_canvas(surfaces.log_scale),
            self.passes.to_canvas(surfaces.logits.softmax(2)),
        )

    def _of_tile(self, pixels: Tensor, features: Aggregate) -> SatelliteFeatures:
        surfaces = self.gfm.surfaces(features)
        _, stride8, stride16 = self.cnn(pixels)
        heights, classes = (nn.functional.avg_pool2d(x[:, 0], 2) for x in (surfaces.log_range, surfaces.logits.softmax(2)))
        return SatelliteFeatures(stride8, stride16, features.patches[:, 0], heights, classes)


def _pixels(image: Tensor) -> Tensor:
    """uint8 [B, H, W, 3] -> [B, 3, H, W] in [0, 1]."""
    return image.permute(0, 3, 1, 2).to(torch.float32) / 255


class GridEncoder(nn.Module):
    """Reads a metric grid into embeddings: convolutions that know no place, then learned spatial slots over every window of a tile's size.

    Norms are over channels only, so that a place looks alike in a grid of any size.
    """

    def __init__(self, c_in: int, channels: int, blocks: int, window: int, slots: int, embedding: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(c_in, channels, 1)
        self.fine = nn.Sequential(*(GridBlock(channels) for _ in range(blocks)))
        self.down = nn.Conv2d(channels, channels, FINE_PER_COARSE, stride=FINE_PER_COARSE)
        self.coarse = nn.Sequential(*(GridBlock(channels) for _ in range(blocks)))
        self.value = nn.Conv2d(channels, 64, 1)
        self.slots = nn.Parameter(torch.randn(slots, 1, window, window) * 0.3)
        self.out = nn.Linear(64 * slots, embedding)

    def forward(self, grid: Tensor) -> Tensor:
        """[B, C, cells, cells] -> [B, n * n, embedding], L2-normalised; n = cells / 2 - window + 1, windows row by row."""
        x = self.value(self.coarse(self.down(self.fine(self.enter(grid)))))  # [B, 64, c, c]
        B, C, h, w = x.shape
        pooled = nn.functional.conv2d(x.reshape(B * C, 1, h, w), self.slots)  # [B * 64, slots, n, n]
        pooled = pooled.reshape(B, -1, pooled.shape[-2] * pooled.shape[-1]).transpose(1, 2)  # [B, n * n, 64 * slots]
        return nn.functional.normalize(self.out(pooled), dim=-1)


class GeoMapHead(nn.Module):
    """The trained part: frozen features to L2-normalised embeddings of either view."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        g, m = config.geometry, config.geomap
        columns = g.canvas_width_px // 8
        tile = g.tile_px // 8
        if m.pooling == "geometric" and tile != m.grid_cells:
            raise ValueError(f"grid_cells: expected {tile}, the tile's side at stride 8, got {m.grid_cells}")
        self.pooling = m.pooling
        self.columns = columns
        self.ground_tokens, self.satellite_tokens = build_tokens(config)
        self.log_scale = nn.Parameter(torch.tensor(2.7))
        self.offsets_m = window_offsets_m(config)
        apart_m = torch.tensor(self.offsets_m).norm(dim=-1)
        self.register_buffer("nearest", (apart_m < apart_m.min() + 1e-6).float()[:, None], persistent=False)  # [n, 1]
        if m.pooling == "mean":
            self.ground_out = nn.Linear(m.width, m.embedding)
            self.satellite_out = nn.Linear(m.width, m.embedding)
            return
        cells = m.grid_cells + FINE_PER_COARSE * (m.windows - 1)
        extent_m = g.tile_m * cells / m.grid_cells
        self.histogram = RangeHistogram(m.range_bins, m.range_min_m, m.range_max_m)
        self.ground_value = nn.Conv2d(m.width, m.value_channels, 1)
        self.ground_detail = nn.Conv2d(STRIDE4_CHANNELS + CLASSES, m.value_channels, 1)
        self.satellite_value = nn.Conv2d(m.width + 1 + CLASSES, m.value_channels + 1, 1)
        self.lift = PolarLift(columns, m.range_bins, m.range_min_m, m.range_max_m, cells, extent_m)
        self.encoder = GridEncoder(m.value_channels + 1, m.bev_channels, m.bev_blocks, m.grid_cells // FINE_PER_COARSE, m.slots, m.embedding)

    def ground(self, features: GroundFeatures, turn: Tensor) -> Tensor:
        """turn int64 [B, T]: columns of 360 / (W / 8) degrees by which the canvas' middle looks clockwise from the frame's up.

        -> [B, T, n, embedding], one for each of `offsets_m`. With pooling `mean` a turn changes nothing and n is 1.
        """
        x = self.ground_tokens(features.stride8, features.stride16, features.tokens, features.token_mask)  # [B, D, h/2, w/2]
        B, T = turn.shape
        if self.pooling == "mean":
            mask = nn.functional.avg_pool2d(features.mask, 2)
            weight = mask / mask.sum((2, 3), keepdim=True).clamp_min(1e-6)
            embedding = nn.functional.normalize(self.ground_out((x * weight).sum((2, 3))), dim=-1)
            return embedding[:, None, None].expand(B, T, 1, -1)
        detail = self.ground_detail(torch.cat([features.stride4, features.classes], dim=1))  # [B, C, h, w]
        value = nn.functional.interpolate(self.ground_value(x), scale_factor=2.0, mode="nearest") + detail
        probability = self.histogram(features.log_range, features.log_scale) * features.mask  # [B, R + 1, h, w]
        polar = self.lift.to_polar(nn.functional.gelu(value), probability)  # [B, A, R, C + 1]
        A = self.columns
        source = (torch.arange(A, device=turn.device) - turn[..., None]) % A  # [B, T, A]
        index = source[..., None, None].expand(-1, -1, -1, *polar.shape[2:])
        turned = torch.gather(polar[:, None].expand(-1, T, -1, -1, -1), 2, index)  # [B, T, A, R, C + 1]
        embedding = self.encoder(self.lift.to_grid(turned.flatten(0, 1)))  # [B * T, n, embedding]
        return embedding.unflatten(0, (B, T))

    def at_centre(self, windows: Tensor) -> Tensor:
        """[..., n, embedding], one for each of `offsets_m` -> [..., embedding], unit length: of a camera at the tile's centre, the mean of the
        nearest windows."""
        return nn.functional.normalize((windows * self.nearest).sum(-2), dim=-1)

    def satellite(self, features: SatelliteFeatures) -> Tensor:
        """-> [B, embedding]."""
        x = self.satellite_tokens(features.stride8, features.stride16, features.tokens, None)  # [B, D, h, w]
        if self.pooling == "mean":
            return nn.functional.normalize(self.satellite_out(x.mean((2, 3))), dim=-1)
        return self.encoder(self.satellite_value(torch.cat([x, features.heights, features.classes], dim=1)))[:, 0]

    def scale(self) -> Tensor:
        """1 / temperature of the contrastive loss, at most 100."""
        return self.log_scale.exp().clamp(max=100.0)


def window_offsets_m(config: Config) -> list[tuple[float, float]]:
    """Of every window of the ground grid, row by row: its centre right of and ahead of the camera, metres."""
    m = config.geomap
    if m.pooling == "mean":
        return [(0.0, 0.0)]
    step_m = config.geometry.tile_m / m.grid_cells * FINE_PER_COARSE
    steps = [(i - (m.windows - 1) / 2) * step_m for i in range(m.windows)]
    return [(right, -down) for down in steps for right in steps]


class GeoMap(nn.Module):
    """The whole embedding model, as it is exported: pixels to embeddings."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.frozen = FrozenFeatures(config)
        self.head = GeoMapHead(config)
        turns = (0,) if config.geomap.pooling == "mean" else config.geomap.turn_columns
        self.register_buffer("turns", torch.tensor([turns]), persistent=False)  # [1, T]
        column_deg = 360 / self.head.columns
        self.hypotheses = [Hypothesis(n * column_deg, *offset) for n in turns for offset in self.head.offsets_m]

    def ground(self, image: Tensor, mask: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] and uint8 [B, H, W] -> float32 [B, K, embedding], unit length: one of each of `hypotheses`."""
        embedding = self.head.ground(self.frozen.ground(image, mask), self.turns.expand(image.shape[0], -1))
        return embedding.flatten(1, 2)

    def satellite(self, image: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] -> float32 [B, embedding], unit length."""
        return self.head.satellite(self.frozen.satellite(image))
