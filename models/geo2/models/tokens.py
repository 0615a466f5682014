"""How the CNN's features and the geometry model's tokens become one map. The method is `CrossAttendedTokens`; the others are what it is compared
with."""

import torch
from torch import Tensor, nn

from ..config import Config, GeoMapConfig
from ..geometry.e2p import PerspectiveToEquirectangular
from .layers import Attention, ConvBlock, FeedForward
from .lite0 import STRIDE8_CHANNELS, STRIDE16_CHANNELS


class TokenGrid(nn.Module):
    """Tokens [B, count, D] of `frames` frames of rows x columns each, laid out where they were seen. place: from frames to the map."""

    def __init__(self, frames: int, rows: int, columns: int, place: nn.Module) -> None:
        super().__init__()
        self.frames, self.rows, self.columns, self.place = frames, rows, columns, place

    @property
    def count(self) -> int:
        return self.frames * self.rows * self.columns

    def forward(self, tokens: Tensor) -> Tensor:
        """-> [B, D, h, w]."""
        B, _, D = tokens.shape
        maps = tokens.reshape(B, self.frames, self.rows, self.columns, D).permute(0, 1, 4, 2, 3)  # [B, V, D, rows, columns]
        return self.place(maps)


class OneFrame(nn.Module):
    """The only frame, enlarged to the map."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.size = (rows, columns)

    def forward(self, maps: Tensor) -> Tensor:
        return nn.functional.interpolate(maps[:, 0], self.size, mode="bilinear")


class CrossAttendedTokens(nn.Module):
    """CNN features as queries over the geometry model's tokens, reduced to width D by a 1x1 convolution."""

    def __init__(self, m: GeoMapConfig, gfm_width: int, tokens: TokenGrid, rows: int, columns: int) -> None:
        super().__init__()
        width = m.width
        self.semantic = nn.Conv2d(STRIDE8_CHANNELS + STRIDE16_CHANNELS, width, 1)
        self.local = ConvBlock(width)
        self.reduce = nn.Linear(gfm_width, width)
        self.key_position = nn.Parameter(torch.zeros(1, tokens.count, width))
        self.query_position = nn.Parameter(torch.zeros(1, width, rows, 1 if columns > rows else columns))
        self.norm_query, self.norm_key, self.norm_out = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.feed_forward = Attention(width, m.heads), FeedForward(width, 2)

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


class ConcatenatedTokens(nn.Module):
    """CNN features beside the geometry model's tokens at the same place, mixed by a 1x1 convolution."""

    def __init__(self, m: GeoMapConfig, gfm_width: int, tokens: TokenGrid, rows: int, columns: int) -> None:
        super().__init__()
        self.semantic = nn.Conv2d(STRIDE8_CHANNELS + STRIDE16_CHANNELS, m.width, 1)
        self.local = ConvBlock(m.width)
        self.reduce = nn.Linear(gfm_width, m.width)
        self.grid = tokens
        self.mix = nn.Sequential(nn.Conv2d(2 * m.width, 2 * m.width, 1), nn.GELU(), nn.Conv2d(2 * m.width, m.width, 1))

    def forward(self, stride8: Tensor, stride16: Tensor, tokens: Tensor, token_mask: Tensor | None) -> Tensor:
        """-> [B, D, h, w]."""
        up = nn.functional.interpolate(stride16, scale_factor=2.0, mode="nearest")
        q = self.local(self.semantic(torch.cat([stride8, up], dim=1)))  # [B, D, h, w]
        seen = tokens if token_mask is None else tokens * token_mask[..., None]
        return q + self.mix(torch.cat([q, self.grid(self.reduce(seen))], dim=1))


class SemanticTokens(nn.Module):
    """CNN features alone."""

    def __init__(self, m: GeoMapConfig, gfm_width: int, tokens: TokenGrid, rows: int, columns: int) -> None:
        super().__init__()
        self.semantic = nn.Conv2d(STRIDE8_CHANNELS + STRIDE16_CHANNELS, m.width, 1)
        self.local = nn.Sequential(ConvBlock(m.width), ConvBlock(m.width))

    def forward(self, stride8: Tensor, stride16: Tensor, tokens: Tensor, token_mask: Tensor | None) -> Tensor:
        """-> [B, D, h, w]."""
        up = nn.functional.interpolate(stride16, scale_factor=2.0, mode="nearest")
        return self.local(self.semantic(torch.cat([stride8, up], dim=1)))


TOKENS = {"cross_attention": CrossAttendedTokens, "concatenation": ConcatenatedTokens, "none": SemanticTokens}


def build_tokens(config: Config) -> tuple[nn.Module, nn.Module]:
    """Of the ground view and of the tile, as `geomap.tokens` says."""
    g, f, m = config.geometry, config.gfm, config.geomap
    rows, columns, tile, side = g.canvas_height_px // 8, g.canvas_width_px // 8, g.tile_px // 8, f.view_px // f.patch
    if m.ground_pass == "panorama":
        ground = TokenGrid(1, g.canvas_height_px // f.patch, g.canvas_width_px // f.patch, OneFrame(rows, columns))
    else:
        place = PerspectiveToEquirectangular(f.view_yaws_deg, f.view_fov_deg, side, columns, rows, g.elevation_top_deg, g.elevation_bottom_deg)
        ground = TokenGrid(len(f.view_yaws_deg), side, side, place)
    satellite = TokenGrid(1, g.tile_px // f.patch, g.tile_px // f.patch, OneFrame(tile, tile))
    kind = TOKENS[m.tokens]
    return kind(m, 2 * f.width, ground, rows, columns), kind(m, 2 * f.width, satellite, tile, tile)
