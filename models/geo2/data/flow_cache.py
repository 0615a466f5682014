"""What flow training reads: latents and embeddings of pairs in several turns, computed once. fp16 on disk; resumable by city."""

import contextlib
import json
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..models.geomap import GeoMap
from ..models.rae import LatentEncoder
from ..workers import Worker, run_workers
from .cache import FeatureTable
from .mosaic import build_mosaic, city_of
from .pairs import draw_pairs, ground_square, to_square
from .view_set import Query, ViewSet, load_images, read_view_set

BATCH = 8


@dataclass(frozen=True)
class FlowFeatures:
    """Of pairs: latents of both views [B, C, h, w], and both embeddings [B, E]."""

    ground: Tensor
    satellite: Tensor
    ground_embedding: Tensor
    satellite_embedding: Tensor


@dataclass(frozen=True)
class FlowCache:
    """Rows are panoramas times turns, a panorama's turns side by side."""

    table: FeatureTable
    rows: int

    def read(self, index: np.ndarray) -> FlowFeatures:
        return self.table.read(index)


def located_panoramas(view_set: ViewSet, limit: int = 0) -> list[Query]:
    """Evenly spread when there are more than `limit`."""
    queries = [q for q in view_set.queries if q.kind == "panorama" and q.lon is not None]
    if limit and len(queries) > limit:
        queries = [queries[i] for i in np.linspace(0, len(queries) - 1, limit).astype(int)]
    return queries


def build_flow_cache(config: Config, geomap: GeoMap, encoder: LatentEncoder, folder: Path, out: Path, limit: int = 0) -> FlowCache:
    """Compute what is missing, a city at a time, in as many processes as training has workers."""
    t = config.geoflow_training
    view_set = read_view_set(folder)
    queries = located_panoramas(view_set, limit)
    mark = zlib.crc32((folder / "world.json").read_bytes())
    for value in (*geomap.state_dict().values(), *encoder.state_dict().values()):
        mark = zlib.crc32(value.cpu().numpy().tobytes(), mark)
    varied = (config.seed, config.geometry, config.rae.size_px, config.rae.encoder, t.turns, t.offset_m, t.limited_fov_share, limit)
    out = out / f"{zlib.crc32(repr(varied).encode(), mark):08x}"
    out.mkdir(parents=True, exist_ok=True)
    rows = len(queries) * t.turns
    table = FeatureTable(out, FlowFeatures, rows)
    cities = list(dict.fromkeys(city_of(q.query_id) for q in queries))
    missing = [name for name in cities if not (out / f"{name}.json").exists()]
    if missing:
        run_workers(min(t.workers, len(missing)), _cache_cities, config, geomap, encoder, view_set, queries, out, missing, table)
    return FlowCache(table, rows)


@torch.inference_mode()
def _cache_cities(
    worker: Worker,
    config: Config,
    geomap: GeoMap,
    encoder: LatentEncoder,
    view_set: ViewSet,
    queries: list[Query],
    out: Path,
    cities: list[str],
    table: FeatureTable,
) -> None:
    """One worker's part of the cities; each is finished with its file."""
    turns, started, done = config.geoflow_training.turns, time.monotonic(), 0
    mine = cities[worker.rank :: worker.count]
    for number, name in enumerate(mine, start=1):
        rows = [i for i, q in enumerate(queries) if city_of(q.query_id) == name]
        tiles = [t for t in view_set.tiles if city_of(t.tile_id) == name]
        mosaic = build_mosaic(view_set, tiles, config.geometry.tile_m, load_images(view_set, [t.image for t in tiles]))
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            drawn = [
                draw_pairs(view_set.image(queries[i].image), queries[i], mosaic, config, np.random.default_rng([config.seed, i]), turns)
                for i in batch
            ]
            table.write(batch[0] * turns, features_of(config, geomap, encoder, drawn))
        table.flush()
        (out / f"{name}.json").write_text(json.dumps({"panoramas": len(rows)}))
        done += len(rows)
        rate = done / (time.monotonic() - started)
        print(f"cache: worker {worker.rank + 1}: {number}/{len(mine)} cities, {rate:.1f} panoramas/s", flush=True)


def features_of(config: Config, geomap: GeoMap, encoder: LatentEncoder, drawn: list) -> FlowFeatures:
    """Of panoramas with their turns, row by row."""
    device = next(geomap.parameters()).device
    size = config.rae.size_px
    flat = [pair for pairs in drawn for pair in pairs]
    fast = torch.autocast(device.type, torch.bfloat16) if config.geoflow_training.bfloat16 else contextlib.nullcontext()

    def stacked(images: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(images)).to(device)

    with fast:
        frozen = geomap.frozen.ground(stacked([p[0].canvas for p in drawn]), stacked([p[0].mask for p in drawn]))
        columns = torch.tensor([[pair.columns for pair in pairs] for pairs in drawn], device=device)
        ground_embedding = geomap.head.at_centre(geomap.head.ground(frozen, columns).float()).flatten(0, 1)
        satellite_embedding = geomap.satellite(stacked([p.tile for p in flat])).float()
    return FlowFeatures(
        encoder(stacked([ground_square(p.canvas, p.mask, size) for p in flat])),
        encoder(stacked([to_square(p.tile, size) for p in flat])),
        ground_embedding,
        satellite_embedding,
    )
