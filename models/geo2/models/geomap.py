"""GeoMap: both views into one geometry-aware space.

Each branch: CNN tokens query the frozen geometry model's tokens by cross-attention. The ground branch then lifts its tokens into a metric
grid around the camera, at the ranges that the geometry model sees; the satellite tokens lie on that grid already; one encoder with the
same weights reads both. With pooling `mean`, the paper's form, tokens are averaged instead.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import Config
from ..geometry.e2p import EquirectangularToPerspective, PerspectiveToEquirectangular
from ..geometry.lift import PolarLift, RangeHistogram
from .gfm import GeometryFoundationModel
from .layers import Attention, ConvBlock, FeedForward
from .lite0 import STRIDE8_CHANNELS, STRIDE16_CHANNELS, Lite0


@dataclass(frozen=True)
class GroundFeatures:
    """What the frozen parts say of a canvas. h, w: canvas / 8. stride8 [B, 40, h, w], stride16 [B, 112, h/2, w/2],
    tokens [B, V * P, 2D], token_mask [B, V * P] and mask [B, 1, h, w] in [0, 1] (share of valid pixels), probability [B, R + 1, h, w].
    """

    stride8: Tensor
    stride16: Tensor
    tokens: Tensor
    token_mask: Tensor
    mask: Tensor
    probability: Tensor


@dataclass(frozen=True)
class SatelliteFeatures:
    """What the frozen parts say of a tile: stride8 [B, 40, h, w], stride16 [B, 112, h/2, w/2], tokens [B, P, 2D], heights [B, 1, h, w]."""

    stride8: Tensor
    stride16: Tensor
    tokens: Tensor
    heights: Tensor


class FrozenFeatures(nn.Module):
    """The parts that training leaves alone: E2P, the geometry model, the pretrained CNN. Pixels uint8 in, features out."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        g, f, m = config.geometry, config.gfm, config.geomap
        self.e2p = EquirectangularToPerspective(
            g.canvas_width_px, g.canvas_height_px, g.elevation_top_deg, g.elevation_bottom_deg, f.view_yaws_deg, f.view_fov_deg, f.view_px
        )
        rows, columns = g.canvas_height_px // 4, g.canvas_width_px // 4
        self.p2e = PerspectiveToEquirectangular(
            f.view_yaws_deg, f.view_fov_deg, f.view_px // 4, columns, rows, g.elevation_top_deg, g.elevation_bottom_deg
        )
        self.histogram = RangeHistogram(m.range_bins, m.range_min_m, m.range_max_m)
        self.gfm = GeometryFoundationModel(f)
        self.cnn = Lite0()

    def ground(self, image: Tensor, mask: Tensor) -> GroundFeatures:
        """image uint8 [B, H, W, 3], mask uint8 [B, H, W]; pixels under the mask have no influence."""
        valid = mask.to(torch.float32)[:, None]  # [B, 1, H, W]
        pixels = image.permute(0, 3, 1, 2).to(torch.float32) / 255 * valid  # [B, 3, H, W]
        views = self.e2p(pixels)  # [B, V, 3, v, v]
        view_mask = (self.e2p(valid)[:, :, 0] > 0.5).to(torch.float32)  # [B, V, v, v]
        features = self.gfm.aggregate(views, view_mask)
        log_range, log_scale = self.gfm.ranges(features)
        probability = self.histogram(*(self.p2e(x) for x in (log_range, log_scale)))  # [B, R + 1, H/4, W/4]
        B, V, P, _ = features.patches.shape
        token_mask = nn.functional.max_pool2d(view_mask.flatten(0, 1)[:, None], 16).reshape(B, V * P)  # [B, V * P]
        stride8, stride16 = self.cnn(pixels + (1 - valid) * self.cnn.mean)
        return GroundFeatures(
            stride8,
            stride16,
            features.patches.flatten(1, 2),
            token_mask,
            nn.functional.avg_pool2d(valid, 8),
            nn.functional.avg_pool2d(probability, 2),
        )

    def satellite(self, image: Tensor) -> SatelliteFeatures:
        """image uint8 [B, H, W, 3]; one frame for the geometry model, whose range head states height + 2 m for it."""
        pixels = image.permute(0, 3, 1, 2).to(torch.float32) / 255
        features = self.gfm.aggregate(pixels[:, None])
        log_range, _ = self.gfm.ranges(features)
        stride8, stride16 = self.cnn(pixels)
        return SatelliteFeatures(stride8, stride16, features.patches[:, 0], nn.functional.avg_pool2d(log_range[:, 0], 2))


class CrossAttendedTokens(nn.Module):
    """CNN features as queries over the geometry model's tokens, reduced to width D by a 1x1 convolution."""

    def __init__(self, width: int, heads: int, gfm_tokens: int, gfm_width: int, rows: int, columns: int) -> None:
        super().__init__()
        self.semantic = nn.Conv2d(STRIDE8_CHANNELS + STRIDE16_CHANNELS, width, 1)
        self.local = ConvBlock(width)
        self.reduce = nn.Linear(gfm_width, width)
        self.key_position = nn.Parameter(torch.zeros(1, gfm_tokens, width))
        self.query_position = nn.Parameter(torch.zeros(1, width, rows, 1 if columns > rows else columns))
        self.norm_query, self.norm_key, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.feed_forward = Attention(width, heads), FeedForward(width, 2)

    def forward(self, stride8: Tensor, stride16: Tensor, tokens: Tensor, token_mask: Tensor | None) -> Tensor:
        """-> [B, D, h, w]."""
        up = nn.functional.interpolate(stride16, scale_factor=2.0, mode="nearest")
        q = self.local(self.semantic(torch.cat([stride8, up], dim=1))) + self.query_position  # [B, D, h, w]
        B, D, h, w = q.shape
        x = q.flatten(2).transpose(1, 2)  # [B, h * w, D]
        keys = self.norm_key(self.reduce(tokens)) + self.key_position  # [B, N, D]
        x = x + self.attention(self.norm_query(x), keys, token_mask)
        x = x + self.feed_forward(self.norm_out(x))
        return x.transpose(1, 2).reshape(B, D, h, w)


class GridEncoder(nn.Module):
    """Reads a metric grid [B, C, 16, 16] into an embedding: convolutions, then learned spatial slots, so that position counts."""

    def __init__(self, c_in: int, channels: int, blocks: int, cells: int, slots: int, embedding: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(c_in, channels, 1)
        self.fine = nn.Sequential(*(ConvBlock(channels) for _ in range(blocks)))
        self.down = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.coarse = nn.Sequential(*(ConvBlock(channels) for _ in range(blocks)))
        self.value = nn.Conv2d(channels, 64, 1)
        self.slots = nn.Parameter(torch.randn(slots, (cells // 2) ** 2) * 0.3)
        self.out = nn.Linear(slots * 64, embedding)

    def forward(self, grid: Tensor) -> Tensor:
        x = self.coarse(self.down(self.fine(self.enter(grid))))  # [B, channels, 8, 8]
        pooled = torch.matmul(self.value(x).flatten(2), self.slots.t())  # [B, 64, slots]
        return nn.functional.normalize(self.out(pooled.flatten(1)), dim=-1)


class GeoMapHead(nn.Module):
    """The trained part: frozen features to L2-normalised embeddings [B, embedding] of either view."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        g, f, m = config.geometry, config.gfm, config.geomap
        rows, columns = g.canvas_height_px // 8, g.canvas_width_px // 8
        tile = g.tile_px // 8
        if m.pooling == "geometric" and tile != m.grid_cells:
            raise ValueError(f"grid_cells: expected {tile}, the tile's side at stride 8, got {m.grid_cells}")
        self.pooling = m.pooling
        ground_tokens = len(f.view_yaws_deg) * (f.view_px // f.patch) ** 2
        self.ground_tokens = CrossAttendedTokens(m.width, m.heads, ground_tokens, 2 * f.width, rows, columns)
        self.satellite_tokens = CrossAttendedTokens(m.width, m.heads, (g.tile_px // f.patch) ** 2, 2 * f.width, tile, tile)
        self.log_scale = nn.Parameter(torch.tensor(2.7))
        if m.pooling == "mean":
            self.ground_out = nn.Linear(m.width, m.embedding)
            self.satellite_out = nn.Linear(m.width, m.embedding)
            return
        self.ground_value = nn.Conv2d(m.width, m.value_channels, 1)
        self.satellite_value = nn.Conv2d(m.width + 1, m.value_channels + 1, 1)
        self.lift = PolarLift(columns, m.range_bins, m.range_min_m, m.range_max_m, m.grid_cells, g.tile_m)
        self.encoder = GridEncoder(m.value_channels + 1, m.bev_channels, m.bev_blocks, m.grid_cells, m.slots, m.embedding)

    def ground(self, features: GroundFeatures) -> Tensor:
        x = self.ground_tokens(features.stride8, features.stride16, features.tokens, features.token_mask)  # [B, D, h, w]
        if self.pooling == "mean":
            weight = features.mask / features.mask.sum((2, 3), keepdim=True).clamp_min(1e-6)
            return nn.functional.normalize(self.ground_out((x * weight).sum((2, 3))), dim=-1)
        grid = self.lift(self.ground_value(x), features.probability * features.mask)  # [B, C + 1, cells, cells]
        return self.encoder(grid)

    def satellite(self, features: SatelliteFeatures) -> Tensor:
        x = self.satellite_tokens(features.stride8, features.stride16, features.tokens, None)  # [B, D, h, w]
        if self.pooling == "mean":
            return nn.functional.normalize(self.satellite_out(x.mean((2, 3))), dim=-1)
        return self.encoder(self.satellite_value(torch.cat([x, features.heights], dim=1)))

    def scale(self) -> Tensor:
        """1 / temperature of the contrastive loss, at most 100."""
        return self.log_scale.exp().clamp(max=100.0)


class GeoMap(nn.Module):
    """The whole embedding model, as it is exported: pixels to embeddings."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.frozen = FrozenFeatures(config)
        self.head = GeoMapHead(config)

    def ground(self, image: Tensor, mask: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] and uint8 [B, H, W] -> float32 [B, embedding], unit length."""
        return self.head.ground(self.frozen.ground(image, mask))

    def satellite(self, image: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] -> float32 [B, embedding], unit length."""
        return self.head.satellite(self.frozen.satellite(image))
