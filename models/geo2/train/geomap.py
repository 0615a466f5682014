"""Stage `geomap`: contrastive training of the embedding on frozen, cached features (stage 1 of the method).

A batch comes from a few cities. Part of it are groups of near samples: near in space first, then near in the embedding space, as far as
their last embeddings tell, which costs nothing to keep.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config, to_dict
from ..data.cache import GalleryCache, PairCache, build_gallery_cache, build_pair_cache
from ..evaluate.metrics import hit_rate, nearest_tile, recall, semi_positives
from ..models.geomap import FrozenFeatures, GeoMapHead, GroundFeatures, SatelliteFeatures
from ..workers import Worker, run_workers
from .checkpoint import load_checkpoint, save_checkpoint
from .losses import info_nce
from .schedule import Clock, Log, set_learning_rate

EVALUATION_BATCH = 64


def load_frozen(config: Config, run: Path) -> FrozenFeatures:
    """The frozen parts: the pretrained geometry model of the run and the CNN's ImageNet weights."""
    frozen = FrozenFeatures(config)
    frozen.gfm.load_state_dict(load_checkpoint(run / "gfm.pt")["model"])
    frozen.cnn.load_imagenet()
    return frozen.eval().requires_grad_(False)


class ExponentialMovingAverage:
    """A slowly following copy of a module's parameters, warmed up over its first steps."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.values = {name: p.detach().clone() for name, p in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in module.state_dict().items():
            self.values[name].lerp_(value, 1 - decay) if value.is_floating_point() else self.values[name].copy_(value)


@dataclass
class LastEmbeddings:
    """What the model last said of each training pair, float32 [n, D]; zeros where it has not seen it yet."""

    ground: Tensor
    satellite: Tensor

    def near(self, index: int, candidates: np.ndarray, count: int) -> np.ndarray:
        """The candidates that are most easily mistaken for the pair, either way round."""
        score = self.satellite[candidates] @ self.ground[index] + self.ground[candidates] @ self.satellite[index]
        return candidates[score.topk(min(count, len(candidates))).indices.numpy()]


class PairSampler:
    """Batches of row numbers: a few cities, half of each in groups of near samples."""

    def __init__(self, cache: PairCache, config: Config, worker: Worker) -> None:
        """Of every worker's cities; each draws its part of the batch from its own."""
        t = config.geomap_training
        self.cache, self.config = cache, t
        cities = range(int(cache.city.max()) + 1)
        if len(cities) < worker.count:
            raise ValueError(f"train: expected at least a city for each of {worker.count} workers, got {len(cities)}")
        self.rows = [np.flatnonzero(cache.city == c) for c in cities[worker.rank :: worker.count]]
        self.batch_size, self.cities = t.batch // worker.count, t.cities_per_batch // worker.count
        if min(len(r) for r in self.rows) < t.group:
            raise ValueError(f"train: expected at least {t.group} queries a city, got {min(len(r) for r in self.rows)}")

    def batch(self, rng: np.random.Generator, last: LastEmbeddings | None) -> np.ndarray:
        """last: embeddings to mine by; None groups by position."""
        cities = rng.choice(len(self.rows), min(self.cities, len(self.rows)), replace=False)
        share = self.batch_size // len(cities)
        return np.concatenate([self._from_city(self.rows[c], share, rng, last) for c in cities])

    def _from_city(self, rows: np.ndarray, count: int, rng: np.random.Generator, last: LastEmbeddings | None) -> np.ndarray:
        t = self.config
        chosen: dict[int, None] = {}
        weight = self._weights(rows)
        for anchor in rng.choice(rows, round(count * t.neighbour_share / t.group), replace=True, p=weight):
            apart = np.hypot(*(self.cache.query_m[rows] - self.cache.query_m[anchor]).T)
            candidates = rows[apart >= t.exclusion_m]
            if last is None:
                order = np.argsort(apart[apart >= t.exclusion_m])[: 4 * t.group]
                near = candidates[order]
            else:
                near = last.near(int(anchor), candidates, 4 * t.group)
            picked = rng.choice(near, min(t.group - 1, len(near)), replace=False)
            chosen |= dict.fromkeys([int(anchor), *map(int, picked)])
        for row in rng.choice(rows, len(rows), replace=False, p=weight):
            if len(chosen) >= count:
                break
            chosen[int(row)] = None
        return np.array(list(chosen)[:count])

    def _weights(self, rows: np.ndarray) -> np.ndarray:
        """Probability of each row of a city, by which `photo_share` of the draws are photos."""
        photo = self.cache.photo[rows]
        photos, share = int(photo.sum()), self.config.photo_share
        if share == 0 or photos in (0, len(rows)):
            return np.full(len(rows), 1 / len(rows))
        return np.where(photo, share / photos, (1 - share) / (len(rows) - photos))


@dataclass(frozen=True)
class Batch:
    """rows [B] of the cache, which crop [B] of each, and their features."""

    rows: np.ndarray
    crop: np.ndarray
    ground: GroundFeatures
    satellite: SatelliteFeatures


@dataclass(frozen=True)
class Places:
    """Where a batch stands. truth int64 [B]: the hypothesis nearest to each tile's centre; ignore [B, K, B] as `info_nce` takes it."""

    truth: Tensor
    ignore: Tensor


def places_of(cache: PairCache, rows: np.ndarray, crop: np.ndarray, offsets_m: list[tuple[float, float]], same_place_m: float) -> Places:
    """Of queries `rows` [B] with their crops `crop` [B]."""
    up = np.radians(cache.up_deg[rows, crop])
    right, ahead = np.stack([np.cos(up), -np.sin(up)], 1), np.stack([np.sin(up), np.cos(up)], 1)  # [B, 2] east, north
    offsets = np.array(offsets_m)  # [K, 2]
    guess = cache.query_m[rows][:, None] + offsets[None, :, :1] * right[:, None] + offsets[None, :, 1:] * ahead[:, None]  # [B, K, 2]
    centre = cache.centre_m[rows, crop]  # [B, 2]
    truth = np.linalg.norm(guess - centre[:, None], axis=-1).argmin(1)
    apart = np.linalg.norm(guess[:, :, None] - centre[None, None], axis=-1)  # [B, K, B]
    same_city = cache.city[rows][:, None, None] == cache.city[rows][None, None, :]
    return Places(torch.from_numpy(truth), torch.from_numpy(same_city & (apart < same_place_m)))


@torch.inference_mode()
def embed_table(embed, table, rows: int) -> np.ndarray:
    """All rows of a feature table, [rows, D]."""
    parts = [embed(table.read(np.arange(start, min(start + EVALUATION_BATCH, rows)))) for start in range(0, rows, EVALUATION_BATCH)]
    return torch.cat(parts).numpy()


def validate(head: GeoMapHead, gallery: GalleryCache) -> dict[str, float]:
    """R@1, R@10 and hit rate of panoramas, R@10 of photos, all with known heading, nearest tile as truth."""
    head.eval()
    satellite = embed_table(head.satellite, gallery.satellite, len(gallery.tile_m))
    north_up = torch.zeros(1, 1, dtype=torch.int64)
    ground = embed_table(lambda features: head.ground(features, north_up.expand(len(features.mask), 1))[:, 0], gallery.ground, len(gallery.query_m))
    head.train()
    truth = nearest_tile(gallery.query_m, gallery.tile_m)
    similarity = (ground @ satellite.T).max(1)  # over hypotheses
    row, column = ~gallery.photo, gallery.photo
    covering = semi_positives(gallery.query_m, gallery.tile_m)
    report = {"val_r1": recall(similarity[row], truth[row], 1), "val_r10": recall(similarity[row], truth[row], 10)}
    report["val_hit"] = hit_rate(similarity[row], truth[row], covering[row])
    if column.any():
        report["val_photo_r1"] = recall(similarity[column], truth[column], 1)
        report["val_photo_r10"] = recall(similarity[column], truth[column], 10)
    return report


def train_geomap(config: Config, data_dir: Path, run: Path, resume: bool) -> None:
    """Write geomap.pt (with the averaged weights as `head`) into the run folder. With resume, go on from it."""
    t = config.geomap_training
    device = torch.device(config.device)
    frozen = load_frozen(config, run).to(device)
    cache = build_pair_cache(config, frozen, data_dir / "train", run / "cache" / "train")
    gallery = build_gallery_cache(config, frozen, data_dir / "val", run / "cache" / "val")
    state = load_checkpoint(run / "geomap.pt") if resume and (run / "geomap.pt").exists() else None
    if state is not None and Clock(t.minutes, state["spent"]).progress >= 1:
        print("geomap: finished already")
        return
    n, width = len(cache.city), config.geomap.embedding
    last = LastEmbeddings(torch.zeros(n, width).share_memory_(), torch.zeros(n, width).share_memory_())
    if state is not None:
        last.ground.copy_(state["last_ground"])
        last.satellite.copy_(state["last_satellite"])
    run_workers(t.workers, _train, config, cache, gallery, last, state, run)


def _train(worker: Worker, config: Config, cache: PairCache, gallery: GalleryCache, last: LastEmbeddings, state: dict | None, run: Path) -> None:
    """The training loop of one worker. last is shared by all."""
    t = config.geomap_training
    device = torch.device(config.device)
    torch.manual_seed(config.seed)
    head = GeoMapHead(config).to(device)
    path, step, spent = run / "geomap.pt", 0, 0.0
    if state is None and (run / "start.pt").exists():
        head.load_state_dict(load_checkpoint(run / "start.pt")["head"])
    optimizer = torch.optim.AdamW(decay_groups(head, t.weight_decay), lr=t.learning_rate, betas=(0.9, 0.98))
    average = ExponentialMovingAverage(head, t.ema)
    if state is not None:
        head.load_state_dict(state["raw"])
        optimizer.load_state_dict(state["optimizer"])
        average.values, average.steps = {k: v.to(device) for k, v in state["head"].items()}, state["step"]
        step, spent = state["step"], state["spent"]
    sampler, log = PairSampler(cache, config, worker), Log(run / "geomap.jsonl")
    clock = Clock(t.minutes, spent)
    progress = clock.progress

    def draw(step: int) -> Batch:
        rng = np.random.default_rng([config.seed, step, worker.rank])
        rows = sampler.batch(rng, last if progress >= t.mining_after else None)
        crop = rng.integers(t.tiles_per_query, size=len(rows))
        return Batch(rows, crop, cache.ground.read(rows), cache.satellite.read(rows * t.tiles_per_query + crop))

    evaluated = clock.spent
    reader = ThreadPoolExecutor(1)
    following = reader.submit(draw, step)
    while progress < 1:
        rate = set_learning_rate(optimizer, t.learning_rate, step, t.warmup_steps, progress)
        batch = following.result()
        following = reader.submit(draw, step + 1)  # while this one is learned from
        rows = batch.rows
        places = places_of(cache, rows, batch.crop, head.offsets_m, t.same_place_m)
        truth, turn = places.truth.to(device), torch.from_numpy(cache.turn[rows, batch.crop])[:, None].to(device)
        hypotheses = head.ground(_to(batch.ground, device), turn)[:, 0]  # [B, K, D]
        satellite = head.satellite(_to(batch.satellite, device))
        loss = info_nce(hypotheses, satellite, truth, head.scale(), places.ignore.to(device), t.label_smoothing)
        ground = hypotheses[torch.arange(len(rows), device=device), truth]
        optimizer.zero_grad()
        loss.backward()
        progress = worker.average(head, clock.progress)
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        average.update(head)
        last.ground[rows], last.satellite[rows] = ground.detach().float().cpu(), satellite.detach().float().cpu()
        step += 1
        if step % 50 == 0 and worker.is_first:
            with torch.no_grad():
                best = (hypotheses @ satellite.t()).amax(1).argmax(1).cpu()
                right = float((best == torch.arange(len(rows))).float().mean())
            log.write(stage="geomap", step=step, seconds=clock.spent, rate=rate, loss=loss.item(), batch_r1=right, scale=head.scale().item())
        if worker.is_first and (clock.spent - evaluated > t.validation_minutes * 60 or progress >= 1):
            evaluated = clock.spent
            averaged = GeoMapHead(config)
            averaged.load_state_dict({k: v.cpu() for k, v in average.values.items()})
            log.write(stage="geomap", step=step, seconds=clock.spent, **validate(averaged, gallery))
            saved = {"config": to_dict(config), "raw": head.state_dict(), "head": average.values, "optimizer": optimizer.state_dict()}
            saved |= {"last_ground": last.ground.half(), "last_satellite": last.satellite.half()}
            save_checkpoint(path, saved | {"step": step, "spent": clock.spent})
    reader.shutdown(cancel_futures=True)
    worker.wait()


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict]:
    """Matrices and kernels decay; biases, norms, positions and the temperature do not."""
    decayed = [p for name, p in module.named_parameters() if p.ndim >= 2 and "position" not in name]
    others = [p for name, p in module.named_parameters() if p.ndim < 2 or "position" in name]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _to(features, device: torch.device):
    if device.type == "cpu":
        return features
    return type(features)(**{name: value.to(device) for name, value in vars(features).items()})
