"""Frozen features of a view set on disk: computed once, memory-mapped by training. fp16; one array a field; resumable by city."""

import contextlib
import json
import os
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..models.geomap import FrozenFeatures, GroundFeatures, SatelliteFeatures
from ..workers import Worker, run_workers
from .mosaic import build_mosaic, city_of
from .samples import Standing, draw_sample, place_query
from .view_set import ViewSet, load_images, read_view_set, to_metres

BATCH = 8
"""Small: activations stay in the processor's cache."""


class FeatureTable:
    """Arrays of one dataclass of features, a row an image, in a folder."""

    def __init__(self, folder: Path, kind: type, rows: int, names: list[str] | None = None) -> None:
        self.folder, self.kind, self.rows = folder, kind, rows
        self.names = names or [f.name for f in fields(kind)]
        self.arrays: dict[str, np.ndarray] = {}

    def write(self, start: int, features: GroundFeatures | SatelliteFeatures) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in self.names:
            values = getattr(features, name).to(torch.float16).cpu().numpy()
            if name not in self.arrays:
                self.arrays[name] = self._opened(name, values.shape[1:])
            self.arrays[name][start : start + len(values)] = values

    def _opened(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """The array for writing; of several processes that find it missing, one makes it."""
        path = self.folder / f"{name}.npy"
        if not path.exists():
            own = self.folder / f"{name}.{os.getpid()}"
            np.lib.format.open_memmap(own, "w+", np.float16, (self.rows, *shape))
            with contextlib.suppress(FileExistsError):
                os.link(own, path)
            own.unlink()
        return np.lib.format.open_memmap(path, "r+")

    def flush(self) -> None:
        for array in self.arrays.values():
            array.flush()

    def read(self, index: np.ndarray) -> GroundFeatures | SatelliteFeatures:
        """Rows as float32 features."""
        for name in self.names:
            if name not in self.arrays:
                self.arrays[name] = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return self.kind(**{name: torch.from_numpy(self.arrays[name][index]).float() for name in self.names})


def _fingerprint(config: Config, frozen: FrozenFeatures, folder: Path) -> str:
    """Changes with the world, the frozen weights and what training varies."""
    t = config.geomap_training
    mark = zlib.crc32((folder / "world.json").read_bytes())
    for value in frozen.state_dict().values():
        mark = zlib.crc32(value.cpu().numpy().tobytes(), mark)
    varied = (config.seed, config.geometry, t.tiles_per_query, t.limited_fov_share)
    varied += (t.heading_sigma_deg, t.heading_uniform_share, t.heading_uniform_deg)
    return f"{zlib.crc32(repr(varied).encode(), mark):08x}"


def _tensors(frozen: FrozenFeatures, *images: list[np.ndarray]) -> list[Tensor]:
    device = next(frozen.parameters()).device
    return [torch.from_numpy(np.stack(group)).to(device) for group in images]


@dataclass(frozen=True)
class PairCache:
    """Training pairs: features of n queries and, V rows for each, of the crops around them.

    city [n], -1 where a row is not used; photo [n], which queries are photos; query_m [n, 2] and centre_m [n, V, 2] in metres of the
    city's frame; up_deg and turn [n, V] as in `TileSample`.
    """

    ground: FeatureTable
    satellite: FeatureTable
    city: np.ndarray
    photo: np.ndarray
    query_m: np.ndarray
    centre_m: np.ndarray
    up_deg: np.ndarray
    turn: np.ndarray

    def standing(self, rows: np.ndarray, crop: np.ndarray) -> Standing:
        """Of pairs `rows` [B] with their crops `crop` [B]."""
        return Standing(self.city[rows], self.query_m[rows], self.centre_m[rows, crop], self.up_deg[rows, crop])


def build_pair_cache(config: Config, frozen: FrozenFeatures, folder: Path, out: Path) -> PairCache:
    """Compute what is missing of the pair cache of a split, a city at a time and in as many processes as training has workers."""
    view_set = read_view_set(folder)
    mark = _fingerprint(config, frozen, folder)
    out = out / mark
    out.mkdir(parents=True, exist_ok=True)
    n, crops = len(view_set.queries), config.geomap_training.tiles_per_query
    ground, satellite = FeatureTable(out / "ground", GroundFeatures, n), FeatureTable(out / "satellite", SatelliteFeatures, n * crops)
    cities = sorted({city_of(q.query_id) for q in view_set.queries})[: config.geomap_training.train_cities or None]
    cache = PairCache(
        ground,
        satellite,
        np.full(n, -1, np.int32),
        np.array([q.kind == "photo" for q in view_set.queries]),
        np.zeros((n, 2)),
        np.zeros((n, crops, 2)),
        np.zeros((n, crops)),
        np.zeros((n, crops), np.int64),
    )
    missing = [name for name in cities if not (out / f"{name}.json").exists()]
    if missing:
        run_workers(min(config.geomap_training.workers, len(missing)), _cache_cities, config, frozen, view_set, out, missing, ground, satellite)
    for number, name in enumerate(cities):
        rows = _rows_of(view_set, name)
        places = json.loads((out / f"{name}.json").read_text())
        cache.city[rows] = number
        for field in ("query_m", "centre_m", "up_deg", "turn"):
            getattr(cache, field)[rows] = places[field]
    return cache


def _rows_of(view_set: ViewSet, city: str) -> np.ndarray:
    return np.array([i for i, q in enumerate(view_set.queries) if city_of(q.query_id) == city])


@torch.inference_mode()
def _cache_cities(
    worker: Worker,
    config: Config,
    frozen: FrozenFeatures,
    view_set: ViewSet,
    out: Path,
    cities: list[str],
    ground: FeatureTable,
    satellite: FeatureTable,
) -> None:
    """One worker's part of the cities; each is finished with its file of places."""
    started, done, mine = time.monotonic(), 0, cities[worker.rank :: worker.count]
    for number, name in enumerate(mine, start=1):
        rows = _rows_of(view_set, name)
        began = time.monotonic()
        places = _cache_city(config, frozen, view_set, name, rows, ground, satellite)
        ground.flush()
        satellite.flush()
        (out / f"{name}.json").write_text(json.dumps(places | {"seconds": time.monotonic() - began}))
        done += len(rows)
        rate = done / (time.monotonic() - started)
        left = (len(mine) - number) * len(rows) / rate
        print(f"cache: worker {worker.rank + 1}: {number}/{len(mine)} cities, {rate:.1f} pairs/s, {left:.0f} s left", flush=True)


def _cache_city(
    config: Config, frozen: FrozenFeatures, view_set: ViewSet, name: str, rows: np.ndarray, ground: FeatureTable, satellite: FeatureTable
) -> dict[str, list]:
    tiles = [t for t in view_set.tiles if city_of(t.tile_id) == name]
    mosaic = build_mosaic(view_set, tiles, config.geometry.tile_m, load_images(view_set, [t.image for t in tiles]))
    places: dict[str, list] = {"query_m": [], "centre_m": [], "up_deg": [], "turn": []}
    crops = config.geomap_training.tiles_per_query

    def draw(row: int):
        query = view_set.queries[row]
        return draw_sample(view_set.image(query.image), query, mosaic, config, np.random.default_rng([config.seed, int(row)]))

    with ThreadPoolExecutor(1) as pool:
        for batch, samples in _prefetched(pool, draw, rows):
            queries, drawn = [query for query, _ in samples], [tile for _, tiles in samples for tile in tiles]
            canvas, mask, image = _tensors(frozen, [q.canvas for q in queries], [q.mask for q in queries], [t.image for t in drawn])
            features = frozen.pair(canvas, mask, image)
            ground.write(int(batch[0]), features[0])
            satellite.write(int(batch[0]) * crops, features[1])
            places["query_m"] += [q.query_m.tolist() for q in queries]
            places["centre_m"] += [[t.centre_m.tolist() for t in tiles] for _, tiles in samples]
            places["up_deg"] += [[t.up_deg for t in tiles] for _, tiles in samples]
            places["turn"] += [[t.turn for t in tiles] for _, tiles in samples]
    return places


def _prefetched(pool: ThreadPoolExecutor, draw, rows: np.ndarray) -> Iterator[tuple[np.ndarray, list]]:
    batches = np.split(rows, range(BATCH, len(rows), BATCH))

    def make(batch: np.ndarray) -> list:
        return [draw(int(row)) for row in batch]

    following = pool.submit(make, batches[0])
    for i, batch in enumerate(batches):
        samples = following.result()
        if i + 1 < len(batches):
            following = pool.submit(make, batches[i + 1])
        yield batch, samples


@dataclass(frozen=True)
class GalleryCache:
    """A split for evaluation, north up: tiles, queries with known heading; positions in metres of one frame, [n, 2]."""

    ground: FeatureTable
    satellite: FeatureTable
    tile_m: np.ndarray
    query_m: np.ndarray
    photo: np.ndarray


@torch.inference_mode()
def build_gallery_cache(config: Config, frozen: FrozenFeatures, folder: Path, out: Path) -> GalleryCache:
    """Features of every tile and of every query, placed north up."""
    view_set = read_view_set(folder)
    out = out / _fingerprint(config, frozen, folder)
    ground = FeatureTable(out / "ground", GroundFeatures, len(view_set.queries))
    satellite = FeatureTable(out / "satellite", SatelliteFeatures, len(view_set.tiles))
    if not (out / "complete").exists():
        for start in range(0, len(view_set.tiles), BATCH):
            images = load_images(view_set, [t.image for t in view_set.tiles[start : start + BATCH]])
            satellite.write(start, frozen.satellite(*_tensors(frozen, images)))
        for start in range(0, len(view_set.queries), BATCH):
            queries = view_set.queries[start : start + BATCH]
            placed = [place_query(view_set.image(q.image), q, 0.0, config) for q in queries]
            ground.write(start, frozen.ground(*_tensors(frozen, [c for c, _ in placed], [m for _, m in placed])))
        ground.flush()
        satellite.flush()
        (out / "complete").write_text("")
    origin = view_set.tiles[0].centre
    return GalleryCache(
        ground,
        satellite,
        to_metres(np.array([t.centre for t in view_set.tiles]), origin),
        to_metres(np.array([(q.lon, q.lat) for q in view_set.queries]), origin),
        np.array([q.kind == "photo" for q in view_set.queries]),
    )
