"""Contrastive training end to end, from pixels: the rivals, and ours with a CNN that is trained too."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config
from ..data.pixels import PixelBatch, PixelGallery, PixelPairs
from ..evaluate.torch_embedder import TorchEmbedder
from .contrastive import Learned, is_finished, match, train_contrastive
from .sampler import Places, places_of
from .validation import retrieval_report


class PixelNetwork(Protocol):
    """offsets_m: where the camera may stand by each of K hypotheses, (right, ahead) from the tile's centre; embedding: the width D; bfloat16:
    whether products are computed so while it trains."""

    offsets_m: list[tuple[float, float]]
    embedding: int
    bfloat16: bool

    def ground(self, image: Tensor, mask: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] and [B, H, W], the middle looking up -> unit vectors [B, K, D]."""

    def satellite(self, image: Tensor) -> Tensor:
        """uint8 [B, S, S, 3] -> unit vectors [B, D]."""

    def scale(self) -> Tensor:
        """One over the temperature."""

    def training_pass(self, batch: PixelBatch, places: Places, progress: float) -> "TrainingPass":
        """progress: of the budget, 0 to 1."""


@dataclass(frozen=True)
class TrainingPass:
    """Embeddings of a batch, [B, K, D] and [B, D], and what is learned beside their match."""

    ground: Tensor
    satellite: Tensor
    extra_loss: Tensor | float = 0.0


@dataclass(frozen=True)
class Pixels:
    """The learner: build makes the network."""

    config: Config
    pairs: PixelPairs
    gallery_folder: Path
    make: Callable[[], nn.Module]
    embedding: int

    def build(self) -> nn.Module:
        return self.make()

    def draw(self, rows: np.ndarray, rng: np.random.Generator) -> PixelBatch:
        return self.pairs.draw(rows, rng)

    def learn(self, network: nn.Module, batch: PixelBatch, progress: float) -> Learned:
        t, device = self.config.geomap_training, torch.device(self.config.device)
        moved = PixelBatch(batch.canvas.to(device), batch.mask.to(device), batch.tile.to(device), batch.standing, batch.seed)
        places = places_of(batch.standing, network.offsets_m, t.same_place_m)
        with torch.autocast(device.type, torch.bfloat16, enabled=network.bfloat16):
            out = network.training_pass(moved, places, progress)
        learned = match(out.ground.float(), out.satellite.float(), places, network.scale(), t.label_smoothing)
        return replace(learned, loss=learned.loss + out.extra_loss)

    def validate(self, network: nn.Module) -> dict[str, float]:
        embedder = TorchEmbedder("", network, np.zeros(1), self.config.geometry, self.config.device)
        gallery = PixelGallery(self.config, self.gallery_folder)
        return retrieval_report(embedder.ground(gallery.canvases, gallery.masks), embedder.satellite(gallery.tiles), gallery)


def train_pixels(config: Config, make: Callable[[], nn.Module], data_dir: Path, path: Path, resume: bool) -> None:
    """Write a checkpoint of the network that `make` makes (averaged weights as `head`), and its log beside it. With resume, go on from it."""
    if resume and is_finished(path, config.geomap_training.minutes):
        print(f"{path.stem}: finished already")
        return
    learner = Pixels(config, PixelPairs(config, data_dir / "train"), data_dir / "val", make, make().embedding)
    train_contrastive(learner, config, path, resume)
