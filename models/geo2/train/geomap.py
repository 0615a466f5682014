"""Stage `geomap`: contrastive training of the embedding on frozen, cached features (stage 1 of the method)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..config import Config
from ..data.cache import GalleryCache, PairCache, build_gallery_cache, build_pair_cache
from ..models.geomap import FrozenFeatures, GeoMapHead, GroundFeatures, SatelliteFeatures
from .checkpoint import load_checkpoint
from .contrastive import Learned, is_finished, match, train_contrastive
from .sampler import places_of
from .validation import retrieval_report

EVALUATION_BATCH = 64


def load_frozen(config: Config, run: Path) -> FrozenFeatures:
    """The frozen parts: the pretrained geometry model of the run and the CNN's ImageNet weights."""
    frozen = FrozenFeatures(config)
    frozen.gfm.load_state_dict(load_checkpoint(run / "gfm.pt")["model"])
    frozen.cnn.load_imagenet()
    return frozen.eval().requires_grad_(False)


@dataclass(frozen=True)
class Batch:
    """rows [B] of the cache, which crop [B] of each, and their features."""

    rows: np.ndarray
    crop: np.ndarray
    ground: GroundFeatures
    satellite: SatelliteFeatures


@torch.inference_mode()
def embed_table(embed, table, rows: int) -> np.ndarray:
    """All rows of a feature table, [rows, D]."""
    parts = [embed(table.read(np.arange(start, min(start + EVALUATION_BATCH, rows)))) for start in range(0, rows, EVALUATION_BATCH)]
    return torch.cat(parts).numpy()


def validate(head: GeoMapHead, gallery: GalleryCache) -> dict[str, float]:
    """`retrieval_report` with all headings known."""
    head.eval()
    satellite = embed_table(head.satellite, gallery.satellite, len(gallery.tile_m))
    north_up = torch.zeros(1, 1, dtype=torch.int64)
    ground = embed_table(lambda features: head.ground(features, north_up.expand(len(features.mask), 1))[:, 0], gallery.ground, len(gallery.query_m))
    head.train()
    return retrieval_report(ground, satellite, gallery)


@dataclass(frozen=True)
class CachedFeatures:
    """The learner of stage `geomap`: the head, on cached features. start: weights to begin with."""

    config: Config
    pairs: PairCache
    gallery: GalleryCache
    start: dict | None

    @property
    def embedding(self) -> int:
        return self.config.geomap.embedding

    def build(self) -> GeoMapHead:
        head = GeoMapHead(self.config)
        if self.start is not None:
            head.load_state_dict(self.start)
        return head

    def draw(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        crops = self.config.geomap_training.tiles_per_query
        crop = rng.integers(crops, size=len(rows))
        return Batch(rows, crop, self.pairs.ground.read(rows), self.pairs.satellite.read(rows * crops + crop))

    def learn(self, head: GeoMapHead, batch: Batch, progress: float) -> Learned:
        t, device = self.config.geomap_training, torch.device(self.config.device)
        places = places_of(self.pairs.standing(batch.rows, batch.crop), head.offsets_m, t.same_place_m)
        turn = torch.from_numpy(self.pairs.turn[batch.rows, batch.crop])[:, None].to(device)
        hypotheses = head.ground(_to(batch.ground, device), turn)[:, 0]  # [B, K, D]
        return match(hypotheses, head.satellite(_to(batch.satellite, device)), places, head.scale(), t.label_smoothing)

    def validate(self, head: GeoMapHead) -> dict[str, float]:
        return validate(head, self.gallery)


def train_geomap(config: Config, data_dir: Path, run: Path, resume: bool) -> None:
    """Write geomap.pt (with the averaged weights as `head`) into the run folder. With resume, go on from it."""
    path = run / "geomap.pt"
    if resume and is_finished(path, config.geomap_training.minutes):
        print("geomap: finished already")
        return
    frozen = load_frozen(config, run).to(config.device)
    cache = build_pair_cache(config, frozen, data_dir / "train", run / "cache" / "train")
    gallery = build_gallery_cache(config, frozen, data_dir / "val", run / "cache" / "val")
    start = load_checkpoint(run / "start.pt")["head"] if (run / "start.pt").exists() else None
    train_contrastive(CachedFeatures(config, cache, gallery, start), config, path, resume)


def _to(features, device: torch.device):
    if device.type == "cpu":
        return features
    return type(features)(**{name: value.to(device) for name, value in vars(features).items()})
