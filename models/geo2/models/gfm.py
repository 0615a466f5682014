"""The geometry foundation model: a small VGGT with alternating frame and global attention (Wang et al., VGGT, CVPR 2025).

Ours differs in size, in a convolutional stem that a small data set can train, in fixed position embeddings, and in a class for each pixel. At
stride 4 the surface head states a log-range, its uncertainty and the class, the point head positions in the first camera's frame; the
camera head states the pose.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import GfmConfig
from .layers import ConvBlock, SelfAttentionBlock, sine_positions

CAMERA_PARAMETERS = 9
"""Translation in metres / 10 (3), quaternion w x y z (4), field of view in radians, horizontal and vertical (2)."""
CLASSES = 14
"""What a pixel shows: the 13 classes of Null Island in their order, then the sky."""


@dataclass(frozen=True)
class Aggregate:
    """patches: [B, S, P, 2D]. camera: [B, S, 2D]. x8, x4: the stem's features [B * S, C, H/8, W/8] and [B * S, C, H/4, W/4]."""

    patches: Tensor
    camera: Tensor
    x8: Tensor
    x4: Tensor


@dataclass(frozen=True)
class Surfaces:
    """What each pixel at stride 4 shows. log_range, log_scale: [B, S, 1, h, w], natural logarithm of metres. logits: [B, S, CLASSES, h, w]."""

    log_range: Tensor
    log_scale: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Geometry:
    """What the heads say. h, w = view size / 4.

    tokens: [B, S, P, 2 * width]. points: [B, S, 3, h, w], each coordinate as sign(x) * log(1 + |x|), metres, first camera's right,
    forward, up. camera: [B, S, 9], relative to the first.
    """

    tokens: Tensor
    surfaces: Surfaces
    points: Tensor
    camera: Tensor


STEM4_CHANNELS = DENSE4_CHANNELS = 48
STEM8_CHANNELS = DENSE8_CHANNELS = 96


class Stem(nn.Module):
    """Image to features at strides 4 and 8 and tokens at stride 16."""

    def __init__(self, width: int) -> None:
        super().__init__()

        def down(c_in: int, c_out: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), nn.GroupNorm(1, c_out), nn.GELU())

        self.to4 = nn.Sequential(down(3, 24), down(24, 48), ConvBlock(48))
        self.to8 = nn.Sequential(down(48, 96), ConvBlock(96))
        self.to16 = nn.Conv2d(96, width, 3, stride=2, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x4 = self.to4(image)
        x8 = self.to8(x4)
        return x4, x8, self.to16(x8)


class DenseHead(nn.Module):
    """Tokens back to stride 4, with the stem's features on the way up."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.from16, self.from8, self.from4 = nn.Conv2d(2 * width, 96, 1), nn.Conv2d(96, 96, 1), nn.Conv2d(48, 48, 1)
        self.mix8, self.reduce, self.mix4 = ConvBlock(96), nn.Conv2d(96, 48, 1), ConvBlock(48)
        self.out = nn.Conv2d(48, outputs, 1)

    def features(self, tokens: Tensor, x8: Tensor, x4: Tensor) -> tuple[Tensor, Tensor]:
        """Before the last layer: at stride 8 [B, 96, h/2, w/2] and at stride 4 [B, 48, h, w]."""
        dense8 = self.mix8(nn.functional.interpolate(self.from16(tokens), scale_factor=2.0, mode="nearest") + self.from8(x8))
        dense4 = self.mix4(nn.functional.interpolate(self.reduce(dense8), scale_factor=2.0, mode="nearest") + self.from4(x4))
        return dense8, dense4

    def forward(self, tokens: Tensor, x8: Tensor, x4: Tensor) -> Tensor:
        return self.out(self.features(tokens, x8, x4)[1])


class GeometryFoundationModel(nn.Module):
    """Frames [B, S, 3, H, W] in [0, 1], H and W multiples of 16, any S -> Geometry."""

    def __init__(self, config: GfmConfig) -> None:
        super().__init__()
        D = config.width
        self.config = config
        self.stem = Stem(D)
        self.special = nn.Parameter(torch.zeros(2, 1 + config.registers, D))  # first frame, other frames: camera token, registers
        self.frame_blocks = nn.ModuleList(SelfAttentionBlock(D, config.heads) for _ in range(config.depth))
        self.global_blocks = nn.ModuleList(SelfAttentionBlock(D, config.heads) for _ in range(config.depth))
        self.surface_head = DenseHead(D, 2 + CLASSES)
        self.point_head = DenseHead(D, 3)
        self.camera_head = nn.Sequential(nn.LayerNorm(2 * D), nn.Linear(2 * D, D), nn.GELU(), nn.Linear(D, CAMERA_PARAMETERS))

    def init_weights(self) -> "GeometryFoundationModel":
        """Special tokens small and random; heads start at a range of 12 m with a scale of one, at the origin, unrotated."""
        nn.init.normal_(self.special, std=0.02)
        for head in (self.surface_head, self.point_head):
            nn.init.zeros_(head.out.weight)
            nn.init.zeros_(head.out.bias)
        last = self.camera_head[-1]
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            self.surface_head.out.bias[0] = 2.5
            last.bias.copy_(torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 1.57, 1.57]))
        return self

    def forward(self, frames: Tensor, valid: Tensor | None = None) -> Geometry:
        """valid [B, S, H, W] is 1 where a pixel holds data: tokens without any are hidden from all others."""
        features = self.aggregate(frames, valid)
        B, S = frames.shape[:2]
        points = self.point_head(self.grid(features), features.x8, features.x4).unflatten(0, (B, S))  # [B, S, 3, h, w]
        return Geometry(features.patches, self.surfaces(features), points, self.camera_head(features.camera))

    def surfaces(self, features: Aggregate) -> Surfaces:
        """Range and class of every pixel at stride 4."""
        B, S = features.patches.shape[:2]
        out = self.surface_head(self.grid(features), features.x8, features.x4).unflatten(0, (B, S))  # [B, S, 2 + CLASSES, h, w]
        return Surfaces(out[:, :, :1], out[:, :, 1:2].clamp(-4, 2), out[:, :, 2:])

    def grid(self, features: Aggregate) -> Tensor:
        """Tokens of each frame as a map [B * S, 2D, H/16, W/16]."""
        B, S, _, C = features.patches.shape
        h, w = features.x8.shape[-2:]
        return features.patches.flatten(0, 1).transpose(1, 2).reshape(B * S, C, h // 2, w // 2)

    def aggregate(self, frames: Tensor, valid: Tensor | None = None) -> Aggregate:
        """Alternating attention within each frame and over all frames; the output concatenates the last of both."""
        B, S, _, H, W = frames.shape
        x4, x8, x16 = self.stem(frames.flatten(0, 1) * 2 - 1)
        D, rows, columns = x16.shape[1:]
        P = rows * columns
        positions = sine_positions(rows, columns, D).to(x16)
        patches = x16.flatten(2).transpose(1, 2) + positions  # [B * S, P, D]
        special = torch.cat([self.special[:1], self.special[1:].expand(S - 1, -1, -1)]) if S > 1 else self.special[:1]
        n = special.shape[1]
        special = special[None].expand(B, -1, -1, -1).reshape(B * S, n, D)
        x = torch.cat([special, patches], dim=1)  # [B * S, n + P, D]
        frame_mask, global_mask = None, None
        if valid is not None:
            seen = nn.functional.max_pool2d(valid.reshape(B * S, 1, H, W), 16).flatten(1)  # [B * S, P]
            frame_mask = torch.cat([torch.ones_like(seen[:, :1]).expand(-1, n), seen], dim=1)  # [B * S, n + P]
            global_mask = frame_mask.reshape(B, S * (n + P))
        frame_out = x
        for frame_block, global_block in zip(self.frame_blocks, self.global_blocks, strict=True):
            frame_out = frame_block(x, frame_mask)
            x = global_block(frame_out.reshape(B, S * (n + P), D), global_mask).reshape(B * S, n + P, D)
        both = torch.cat([frame_out, x], dim=-1).reshape(B, S, n + P, 2 * D)
        return Aggregate(both[:, :, n:], both[:, :, 0], x8, x4)
