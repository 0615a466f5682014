"""SinGeo's recipe: dual discriminative learning (each view is also told apart from others of its own kind, by two appearances of each) and a
curriculum of the field of view, from whole panoramas to narrow ones with headings turned more and more at random. The network is Sample4Geo's."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import Config
from ..data.pixels import PixelBatch
from ..train.contrastive import match
from ..train.pixels import TrainingPass
from ..train.sampler import Places
from .sample4geo import Sample4Geo, Sample4GeoConfig

COLUMN_PX = 8


@dataclass(frozen=True)
class SinGeoConfig(Sample4GeoConfig):
    """within_weight: of the losses within a view, 0 turns them off. narrowest_fov_deg: at the end of the curriculum, which lasts `curriculum` of the
    budget. widest_turn_deg: of a heading, either way, at its end."""

    within_weight: float = 0.5
    narrowest_fov_deg: float = 70.0
    widest_turn_deg: float = 180.0
    curriculum: float = 0.8


def narrow(batch: PixelBatch, narrowest_fov_deg: float, widest_turn_deg: float) -> tuple[Tensor, Tensor]:
    """Canvas and mask, turned by whole columns at random within +- widest_turn_deg, of which a random field of view is left, narrowest_fov_deg to
    360 degrees about the middle; the batch's seed draws."""
    generator = torch.Generator().manual_seed(batch.seed)
    B, _, W, _ = batch.canvas.shape
    device = batch.canvas.device
    turn_deg = (torch.rand(B, generator=generator) * 2 - 1) * widest_turn_deg
    columns = (turn_deg / 360 * W / COLUMN_PX).round().long() * COLUMN_PX
    fov_deg = narrowest_fov_deg + torch.rand(B, generator=generator) * (360 - narrowest_fov_deg)
    azimuth = ((torch.arange(W) + 0.5) / W - 0.5) * 360
    keep = (azimuth.abs()[None] <= fov_deg[:, None] / 2).to(device)  # [B, W]
    source = ((torch.arange(W)[None] - columns[:, None]) % W).to(device)  # [B, W]
    canvas = torch.gather(batch.canvas, 2, source[:, None, :, None].expand_as(batch.canvas)) * keep[:, None, :, None]
    return canvas, torch.gather(batch.mask, 2, source[:, None].expand_as(batch.mask)) * keep[:, None]


class SinGeo(Sample4Geo):
    def __init__(self, config: Config, options: SinGeoConfig) -> None:
        super().__init__(config, options)
        self.options = options

    def training_pass(self, batch: PixelBatch, places: Places, progress: float) -> TrainingPass:
        o = self.options
        hard = min(1.0, progress / o.curriculum)
        canvas, mask = narrow(batch, 360 - hard * (360 - o.narrowest_fov_deg), hard * o.widest_turn_deg)
        ground, satellite = self.ground(canvas, mask), self.satellite(batch.tile)
        if o.within_weight == 0:
            return TrainingPass(ground, satellite)
        quarter_turns = 1 + batch.seed % 3
        whole, turned = self.ground(batch.canvas, batch.mask), self.satellite(batch.tile.rot90(quarter_turns, (1, 2)))
        within = self._within(ground, whole[:, 0], places) + self._within(satellite[:, None], turned, places)
        return TrainingPass(ground, satellite, o.within_weight * within)

    def _within(self, one: Tensor, other: Tensor, places: Places) -> Tensor:
        return match(one.float(), other.float(), places, self.scale(), self.label_smoothing).loss
