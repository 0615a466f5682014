"""Which pairs make a batch: a few cities, part of it groups of near samples, near in space first, then near in the embedding space as far as
their last embeddings tell, which costs nothing to keep. And which pairs of a batch are no negatives of each other."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..config import GeoMapTraining
from ..data.samples import Standing
from ..workers import Worker


class Pairs(Protocol):
    """What a sampler knows of n training pairs: city [n], -1 where a row is not used; photo [n], which queries are photos; query_m [n, 2],
    metres in the city's frame."""

    city: np.ndarray
    photo: np.ndarray
    query_m: np.ndarray


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

    def __init__(self, pairs: Pairs, t: GeoMapTraining, worker: Worker) -> None:
        """Of every worker's cities; each draws its part of the batch from its own."""
        self.pairs, self.config = pairs, t
        cities = range(int(pairs.city.max()) + 1)
        if len(cities) < worker.count:
            raise ValueError(f"train: expected at least a city for each of {worker.count} workers, got {len(cities)}")
        self.rows = [np.flatnonzero(pairs.city == c) for c in cities[worker.rank :: worker.count]]
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
            apart = np.hypot(*(self.pairs.query_m[rows] - self.pairs.query_m[anchor]).T)
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
        photo = self.pairs.photo[rows]
        photos, share = int(photo.sum()), self.config.photo_share
        if share == 0 or photos in (0, len(rows)):
            return np.full(len(rows), 1 / len(rows))
        return np.where(photo, share / photos, (1 - share) / (len(rows) - photos))


@dataclass(frozen=True)
class Places:
    """Where a batch stands. truth int64 [B]: the hypothesis nearest to each tile's centre; ignore [B, K, B] as `info_nce` takes it."""

    truth: Tensor
    ignore: Tensor


def places_of(standing: Standing, offsets_m: list[tuple[float, float]], same_place_m: float) -> Places:
    """Of a batch whose cameras may stand `offsets_m` (right, ahead) from the tile's centre."""
    up = np.radians(standing.up_deg)
    right, ahead = np.stack([np.cos(up), -np.sin(up)], 1), np.stack([np.sin(up), np.cos(up)], 1)  # [B, 2] east, north
    offsets = np.array(offsets_m)  # [K, 2]
    guess = standing.query_m[:, None] + offsets[None, :, :1] * right[:, None] + offsets[None, :, 1:] * ahead[:, None]  # [B, K, 2]
    truth = np.linalg.norm(guess - standing.centre_m[:, None], axis=-1).argmin(1)
    apart = np.linalg.norm(guess[:, :, None] - standing.centre_m[None, None], axis=-1)  # [B, K, B]
    same_city = standing.city[:, None, None] == standing.city[None, None, :]
    return Places(torch.from_numpy(truth), torch.from_numpy(same_city & (apart < same_place_m)))
