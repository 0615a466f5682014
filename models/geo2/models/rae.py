"""The representation autoencoder: a frozen encoder whose features are the latent, and a trained decoder back to pixels.

Of the encoders at hand (ours; RAE takes DINOv2) the pretrained CNN at stride 8 keeps enough of the pixels at a cost that two cores bear. One
decoder serves both views, since the flow's states lie between them.
"""

import torch
from torch import Tensor, nn

from ..config import Config
from .layers import ConvBlock
from .lite0 import STRIDE8_CHANNELS, Lite0

STRIDE = 8


def latent_shape(config: Config) -> tuple[int, int, int]:
    """C, H, W of a view's latent."""
    cells = config.rae.size_px // STRIDE
    return STRIDE8_CHANNELS, cells, cells


class LatentEncoder(nn.Module):
    """Pixels uint8 [B, S, S, 3] -> latent [B, C, S / 8, S / 8], every channel with mean 0 and deviation 1 over both views."""

    def __init__(self, cnn: Lite0) -> None:
        super().__init__()
        self.cnn = cnn
        self.register_buffer("mean", torch.zeros(1, STRIDE8_CHANNELS, 1, 1))
        self.register_buffer("std", torch.ones(1, STRIDE8_CHANNELS, 1, 1))

    def features(self, image: Tensor) -> Tensor:
        """Before the statistics are taken off."""
        return self.cnn.to_stride8(image.permute(0, 3, 1, 2).to(torch.float32) / 255)[1]

    def normalise(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.std

    def forward(self, image: Tensor) -> Tensor:
        return self.normalise(self.features(image))

    @torch.no_grad()
    def set_statistics(self, features: Tensor) -> None:
        """From features [n, C, h, w] of both views."""
        self.mean.copy_(features.mean((0, 2, 3))[None, :, None, None])
        self.std.copy_(features.std((0, 2, 3))[None, :, None, None].clamp_min(1e-6))


class LatentDecoder(nn.Module):
    """Latent [B, C, h, w] -> pixels [B, 3, 8h, 8w], about [0, 1] and not clamped: convolutions at strides 8, 4 and 2, each a pixel shuffle apart."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths, blocks = config.rae.widths, config.rae.blocks
        if len(widths) != 3:
            raise ValueError(f"widths: expected three, for strides 8, 4 and 2, got {len(widths)}")
        layers: list[nn.Module] = [nn.Conv2d(STRIDE8_CHANNELS, widths[0], 3, padding=1)]
        for i, width in enumerate(widths):
            layers += [ConvBlock(width) for _ in range(blocks)]
            if i + 1 < len(widths):
                layers += [nn.Conv2d(width, 4 * widths[i + 1], 1), nn.PixelShuffle(2)]
        layers += [nn.GroupNorm(1, widths[-1]), nn.GELU(), nn.Conv2d(widths[-1], 4 * 3, 3, padding=1), nn.PixelShuffle(2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, latent: Tensor) -> Tensor:
        return self.layers(latent) + 0.5


def to_pixels(image: Tensor) -> Tensor:
    """[B, 3, S, S], about [0, 1] -> uint8 [B, S, S, 3], clamped."""
    return (image.permute(0, 2, 3, 1) * 255).round().clamp(0, 255).to(torch.uint8)


def build_rae(config: Config, state: dict) -> tuple[LatentEncoder, LatentDecoder]:
    """Both halves from a checkpoint of stage `rae`: the CNN's published weights, the statistics and the averaged decoder; frozen."""
    encoder, decoder = LatentEncoder(Lite0().load_imagenet()), LatentDecoder(config)
    encoder.mean.copy_(state["mean"])
    encoder.std.copy_(state["std"])
    decoder.load_state_dict(state["decoder"])
    return encoder.eval().requires_grad_(False), decoder.eval().requires_grad_(False)
