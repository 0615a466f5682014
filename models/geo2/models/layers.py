"""Attention and feed-forward blocks shared by the models."""

import math

import torch
from torch import Tensor, nn

HIDDEN = 1e4
"""Taken from the score of a key that must not be seen."""


class Attention(nn.Module):
    """Multi-head attention of queries [B, N, D] over keys and values [B, M, D]; key_mask [B, M] is 1 for keys that may be seen."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads != 0:
            raise ValueError(f"width: expected a multiple of heads = {heads}, got {width}")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor, key_mask: Tensor | None = None) -> Tensor:
        B, N, D = x.shape
        M, d = context.shape[1], D // self.heads
        q = self.query(x).reshape(B, N, self.heads, d).transpose(1, 2)  # [B, heads, N, d]
        kv = self.key_value(context).reshape(B, M, 2, self.heads, d).permute(2, 0, 3, 1, 4)  # [2, B, heads, M, d]
        bias = None if key_mask is None else ((key_mask - 1.0) * HIDDEN)[:, None, None, :]  # [B, 1, 1, M]
        out = nn.functional.scaled_dot_product_attention(q, kv[0], kv[1], attn_mask=bias)  # [B, heads, N, d]
        return self.out(out.transpose(1, 2).reshape(B, N, D))  # [B, N, D]


class FeedForward(nn.Sequential):
    """Two layers with GELU."""

    def __init__(self, width: int, expansion: int = 3) -> None:
        super().__init__(nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width))


class SelfAttentionBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2, self.feed_forward = nn.LayerNorm(width), FeedForward(width)

    def forward(self, x: Tensor, key_mask: Tensor | None = None) -> Tensor:
        """[B, N, D] -> [B, N, D]."""
        h = self.norm1(x)
        x = x + self.attention(h, h, key_mask)
        return x + self.feed_forward(self.norm2(x))


class ConvBlock(nn.Module):
    """Residual depthwise 3x3 and two pointwise convolutions, normalised over channels and positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.GroupNorm(1, channels),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.GELU(),
            nn.Conv2d(2 * channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of [B, C, H, W], at every position by itself."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class GridBlock(nn.Module):
    """`ConvBlock` for metric grids of any size: normalised over channels alone."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            ChannelNorm(channels),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.GELU(),
            nn.Conv2d(2 * channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def sine_positions(rows: int, columns: int, width: int) -> Tensor:
    """Fixed two-dimensional sine-cosine embedding, [rows * columns, width], of positions scaled to [0, 1]."""
    quarter = width // 4
    frequency = math.pi * 2.0 ** (torch.arange(quarter, dtype=torch.float32) / quarter * 5)
    y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns, indexing="ij")
    parts = [f(c.flatten()[:, None] * frequency) for c in (y, x) for f in (torch.sin, torch.cos)]
    return torch.cat(parts, dim=1)
