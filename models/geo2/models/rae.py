"""The representation autoencoder: a frozen encoder whose features are the latent, and a trained decoder back to pixels.

The features are those of networks that are there anyway (ours; RAE takes DINOv2): the pretrained CNN's, or those of the geometry model, which
has learned range and class of every pixel. Whatever their stride, they are brought to stride 8, and may be cut to their principal components.
One decoder serves both views, since the flow's states lie between them.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..config import Config, parse_rae
from .gfm import DENSE4_CHANNELS, DENSE8_CHANNELS, STEM4_CHANNELS, STEM8_CHANNELS, GeometryFoundationModel
from .layers import ConvBlock
from .lite0 import STRIDE4_CHANNELS, STRIDE8_CHANNELS, Lite0

STRIDE = 8


def feature_channels(config: Config) -> int:
    """How many channels the chosen features have at stride 8."""
    channels = {
        "cnn4": 4 * STRIDE4_CHANNELS,
        "cnn8": STRIDE8_CHANNELS,
        "gfm4": 4 * STEM4_CHANNELS,
        "gfm8": STEM8_CHANNELS,
        "gfm16": 2 * config.gfm.width,
        "dense4": 4 * DENSE4_CHANNELS,
        "dense8": DENSE8_CHANNELS,
    }
    return sum(channels[name] for name in config.rae.encoder)


def latent_shape(config: Config) -> tuple[int, int, int]:
    """C, H, W of a view's latent. ValueError where more channels are asked for than there are."""
    cells, channels = config.rae.size_px // STRIDE, feature_channels(config)
    if not 0 <= config.rae.channels <= channels:
        raise ValueError(f"channels: expected 0 to {channels}, what {list(config.rae.encoder)} have, got {config.rae.channels}")
    return config.rae.channels or channels, cells, cells


class LatentEncoder(nn.Module):
    """Pixels uint8 [B, S, S, 3] -> latent [B, C, S / 8, S / 8], every channel with mean 0 and deviation 1 over both views."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.names, self.cut = config.rae.encoder, config.rae.channels
        F, C = feature_channels(config), latent_shape(config)[0]
        self.cnn = Lite0().load_imagenet() if any(name.startswith("cnn") for name in self.names) else None
        self.gfm = None if all(name.startswith("cnn") for name in self.names) else GeometryFoundationModel(config.gfm)
        self.register_buffer("mean", torch.zeros(1, F, 1, 1))
        self.register_buffer("std", torch.ones(1, C, 1, 1))
        if self.cut:
            self.register_buffer("components", torch.zeros(C, F))

    def features(self, image: Tensor) -> Tensor:
        """[B, F, S / 8, S / 8], before anything is taken off."""
        pixels = image.permute(0, 3, 1, 2).to(torch.float32) / 255
        maps: dict[str, Tensor] = {}
        if self.cnn is not None:
            maps["cnn4"], maps["cnn8"] = self.cnn.to_stride8(pixels)
        if self.gfm is not None:
            seen = self.gfm.aggregate(pixels[:, None])
            maps |= {"gfm4": seen.x4, "gfm8": seen.x8, "gfm16": self.gfm.grid(seen)}
            maps["dense8"], maps["dense4"] = self.gfm.surface_head.features(maps["gfm16"], seen.x8, seen.x4)
        return torch.cat([_to_stride8(maps[name], name) for name in self.names], dim=1)

    def forward(self, image: Tensor) -> Tensor:
        return self._projected(self.features(image) - self.mean) / self.std

    def _projected(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.components[:, :, None, None]) if self.cut else x

    @torch.no_grad()
    def set_statistics(self, features: Iterable[Tensor]) -> None:
        """From batches of features [B, F, h, w] of both views: mean, principal components where they are cut, deviation."""
        F = self.mean.shape[1]
        count, total, product = 0, torch.zeros(F).double(), torch.zeros(F, F).double()
        for part in features:
            x = part.transpose(0, 1).flatten(1).double().cpu()  # [F, n]
            count, total, product = count + x.shape[1], total + x.sum(1), product + x @ x.T
        mean = total / count
        covariance = (product - count * mean[:, None] * mean) / (count - 1)
        variance = covariance.diagonal()
        if self.cut:
            # every feature counts alike, whatever its scale: components of the correlation
            scale = variance.clamp_min(1e-12).rsqrt()
            values, vectors = torch.linalg.eigh(covariance * scale[:, None] * scale)  # ascending
            self.components.copy_((vectors.T.flip(0) * scale)[: self.cut])
            variance = values.flip(0)[: self.cut]
        self.mean.copy_(mean[None, :, None, None])
        self.std.copy_(variance.clamp_min(1e-12).sqrt()[None, :, None, None])

    def state(self) -> dict:
        """What a checkpoint keeps: the statistics, and the geometry model where features are its. `build_encoder` reads it."""
        kept = {"mean": self.mean, "std": self.std} | ({"components": self.components} if self.cut else {})
        weights = {} if self.gfm is None else {"gfm": {name: value.cpu() for name, value in self.gfm.state_dict().items()}}
        return {name: value.cpu() for name, value in kept.items()} | weights


def _to_stride8(x: Tensor, name: str) -> Tensor:
    if name.endswith("16"):
        return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
    return nn.functional.pixel_unshuffle(x, 2) if name.endswith("4") else x


class LatentDecoder(nn.Module):
    """Latent [B, C, h, w] -> pixels [B, 3, 8h, 8w], about [0, 1] and not clamped: convolutions at strides 8, 4 and 2, each a pixel shuffle apart."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths, blocks = config.rae.widths, config.rae.blocks
        if len(widths) != 3:
            raise ValueError(f"widths: expected three, for strides 8, 4 and 2, got {len(widths)}")
        layers: list[nn.Module] = [nn.Conv2d(latent_shape(config)[0], widths[0], 3, padding=1)]
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


def build_encoder(config: Config, state: dict) -> LatentEncoder:
    """Of a checkpoint of stage `rae`; frozen. ValueError where that was trained for another autoencoder than the configuration's."""
    trained = parse_rae(state["config"]["rae"]) if "config" in state else config.rae
    if trained != config.rae:
        raise ValueError(f"rae: the checkpoint's is {trained}, the configuration's {config.rae}; train stage rae with this configuration")
    encoder = LatentEncoder(config)
    encoder.mean.copy_(state["mean"])
    encoder.std.copy_(state["std"])
    if encoder.cut:
        encoder.components.copy_(state["components"])
    if encoder.gfm is not None:
        encoder.gfm.load_state_dict(state["gfm"])
    return encoder.eval().requires_grad_(False)


def build_rae(config: Config, state: dict) -> tuple[LatentEncoder, LatentDecoder]:
    """Both halves from a checkpoint of stage `rae`, with the averaged decoder; frozen. Errors of `build_encoder`."""
    decoder = LatentDecoder(config)
    decoder.load_state_dict(state["decoder"])
    return build_encoder(config, state), decoder.eval().requires_grad_(False)
