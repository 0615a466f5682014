"""Renders the splits of a configuration into view sets, in parallel, resumable split by split, the same bytes for the same seed."""

import dataclasses
import hashlib
import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import __version__
from .capture import Capture, draw_capture
from .city import City, build_city
from .classes import NAMES, SKY
from .config import SplitConfig, WorldConfig
from .frame import CityFrame
from .ground import MAX_RANGE_M, Pose, render_panorama, render_photo
from .hashing import derive_seed
from .ortho import render_ortho
from .places import draw_place
from .sensor import develop, focal_length_35mm, fov_of_focal_length, jpeg, png, png16, shake
from .view_set import POSE_COLUMNS, QUERY_COLUMNS, TILE_COLUMNS, PoseRow, QueryRow, TileRow, write_json, write_table

MARGIN_M = 105.0
"""City beyond the outermost tile centres, so that views there see as far as elsewhere."""
PHOTO_FOV_DEG = (60.0, 90.0)


class Progress:
    """A line on stderr with count, rate and time left, renewed about twice a second."""

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.done, self.started, self.shown = label, total, 0, time.monotonic(), 0.0

    def step(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self.shown < 0.5 and self.done < self.total:
            return
        self.shown = now
        rate = self.done / max(1e-9, now - self.started)
        left = (self.total - self.done) / max(1e-9, rate)
        end = "\n" if self.done == self.total else ""
        sys.stderr.write(f"\r{self.label}: {self.done}/{self.total}, {rate:.1f}/s, {left:.0f} s left   {end}")
        sys.stderr.flush()


@dataclass(frozen=True)
class CityPlan:
    """One city of a split: its index in the split, seed and place on the globe."""

    index: int
    seed: int
    frame: CityFrame
    style: str


def city_plans(config: WorldConfig, seed: int) -> dict[str, list[CityPlan]]:
    """The cities of every split. A split with `cities_of` shares those of that split; all others are apart by over 5 km."""
    plans: dict[str, list[CityPlan]] = {}
    taken: list[tuple[float, float]] = []
    for split in config.splits:
        if split.cities_of:
            continue
        plans[split.name] = []
        for index in range(split.cities):
            city_seed = derive_seed(seed, split.name, index)
            rng = np.random.default_rng(derive_seed(seed, "place", split.name, index))
            while True:
                lon, lat = rng.uniform(-1, 1, 2)
                if all(abs(lon - a) > 0.05 or abs(lat - b) > 0.05 for a, b in taken):
                    break
            taken.append((lon, lat))
            plans[split.name].append(CityPlan(index, city_seed, CityFrame(float(lon), float(lat)), split.style))
    for split in config.splits:
        if split.cities_of:
            plans[split.name] = plans[split.cities_of][: split.cities]
    return plans


def _parallel(jobs: int, work: Callable, items: Iterable, progress: Progress) -> list:
    """Results in the order of the items, whatever the number of threads; kernels release the interpreter lock."""
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(work, item) for item in items]
        results = []
        try:
            for future in futures:
                results.append(future.result())
                progress.step()
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        return results


class SplitBuilder:
    """Renders one split of a world into a folder."""

    def __init__(self, config: WorldConfig, split: SplitConfig, seed: int, out: Path, jobs: int) -> None:
        self.config, self.split, self.seed, self.out, self.jobs = config, split, seed, out, jobs
        self.tiles: list[TileRow] = []
        self.queries: list[QueryRow] = []
        self.poses: list[PoseRow] = []
        self.rendered = [0, 0]  # tiles, queries: without those of cities that an earlier build finished

    def build(self, plans: list[CityPlan]) -> None:
        """Render every city; one that an earlier, interrupted build finished is read back instead."""
        folders = ["images", "cities"] + (["depth", "classes"] if self.split.depth else [])
        for folder in folders:
            (self.out / folder).mkdir(parents=True, exist_ok=True)
        span = self.config.tile_m / 2 * (self.split.tiles_per_side - 1)
        for plan in plans:
            finished = self.out / "cities" / f"{plan.index}.json"
            if not finished.exists():
                self._build_city(plan, span, len(plans), finished)
            rows = json.loads(finished.read_text())
            self.tiles += [TileRow(**row) for row in rows["tiles"]]
            self.queries += [QueryRow(**row) for row in rows["queries"]]
            self.poses += [PoseRow(**row) for row in rows["poses"]]
        write_table(self.out / "tiles.csv", TILE_COLUMNS, self.tiles)
        write_table(self.out / "queries.csv", QUERY_COLUMNS, self.queries)
        write_table(self.out / "poses.csv", POSE_COLUMNS, self.poses)
        shutil.rmtree(self.out / "cities")

    def _build_city(self, plan: CityPlan, span: float, cities: int, finished: Path) -> None:
        city = build_city(plan.seed, span + 2 * MARGIN_M, plan.style)
        tiles = self._render_tiles(plan, city) if self.split.gallery else []
        queries = self._render_queries(plan, city, cities)
        self.rendered = [self.rendered[0] + len(tiles), self.rendered[1] + len(queries)]
        rows = {
            "tiles": [dataclasses.asdict(row) for row in tiles],
            "queries": [dataclasses.asdict(query) for query, _ in queries],
            "poses": [dataclasses.asdict(pose) for _, pose in queries],
        }
        temporary = finished.with_suffix(".partial")
        temporary.write_text(json.dumps(rows))
        temporary.rename(finished)

    def _rng(self, *path: object) -> np.random.Generator:
        return np.random.default_rng(derive_seed(self.seed, self.split.name, *path))

    # --- satellite ---

    def _render_tiles(self, plan: CityPlan, city: City) -> list[TileRow]:
        """One mosaic a city, each block of it one acquisition; then the tiles are cut from it."""
        config, side = self.config, self.split.tiles_per_side
        px_m = config.tile_m / config.tile_px
        step_px = config.tile_px // 2
        mosaic_px = step_px * (side + 1)
        west, north = MARGIN_M - config.tile_m / 2, MARGIN_M + config.tile_m / 2 * side
        mosaic = np.zeros((mosaic_px, mosaic_px, 3), np.uint8)
        heights = np.zeros((mosaic_px, mosaic_px), np.float32)
        classes = np.zeros((mosaic_px, mosaic_px), np.uint8)
        block_px = max(step_px, round(self.split.acquisition_block_m / px_m))
        strips = [(r, c) for r in range(0, mosaic_px, step_px) for c in range(0, mosaic_px, step_px)]
        render_seed = derive_seed(self.seed, self.split.name, plan.index, "ortho")
        captures: dict[tuple[int, int], Capture] = {}
        for r, c in strips:
            key = (r // block_px, c // block_px)
            if key not in captures:
                captures[key] = draw_capture(self._rng(plan.index, "acquisition", *key))

        def render(corner: tuple[int, int]) -> None:
            r, c = corner
            capture = captures[(r // block_px, c // block_px)]
            radiance, height, cls = render_ortho(
                city, west + c * px_m, north - r * px_m, step_px, step_px, px_m, capture.vector(), config.samples, render_seed, r, c
            )
            mosaic[r : r + step_px, c : c + step_px] = develop(radiance, capture, self._rng(plan.index, "sensor", r, c))
            heights[r : r + step_px, c : c + step_px] = height
            classes[r : r + step_px, c : c + step_px] = cls

        _parallel(self.jobs, render, strips, Progress(f"{self.split.name} city {plan.index} imagery", len(strips)))

        def cut(cell: tuple[int, int]) -> TileRow:
            row, col = cell
            name = f"c{plan.index:02d}_r{row:03d}_c{col:03d}"
            top, left = (side - 1 - row) * step_px, col * step_px
            window = (slice(top, top + config.tile_px), slice(left, left + config.tile_px))
            image = f"images/tile_{name}.jpg"
            (self.out / image).write_bytes(jpeg(mosaic[window], config.jpeg_quality))
            if self.split.depth:
                (self.out / f"depth/tile_{name}.png").write_bytes(png16(heights[window]))
                (self.out / f"classes/tile_{name}.png").write_bytes(png(classes[window]))
            x_m, y_m = MARGIN_M + col * config.tile_m / 2, MARGIN_M + row * config.tile_m / 2
            west_deg, south_deg = plan.frame.to_lonlat(x_m - config.tile_m / 2, y_m - config.tile_m / 2)
            east_deg, north_deg = plan.frame.to_lonlat(x_m + config.tile_m / 2, y_m + config.tile_m / 2)
            return TileRow(name, image, west_deg, south_deg, east_deg, north_deg)

        cells = [(row, col) for row in range(side) for col in range(side)]
        return _parallel(self.jobs, cut, cells, Progress(f"{self.split.name} city {plan.index} tiles", len(cells)))

    # --- ground ---

    def _render_queries(self, plan: CityPlan, city: City, cities: int) -> list[tuple[QueryRow, PoseRow]]:
        share = lambda total: total // cities + (1 if plan.index < total % cities else 0)  # noqa: E731
        items = [("panorama", i) for i in range(share(self.split.panoramas))] + [("photo", i) for i in range(share(self.split.photos))]
        return _parallel(
            self.jobs, lambda item: self._render_query(plan, city, *item), items, Progress(f"{self.split.name} city {plan.index} queries", len(items))
        )

    def _draw_position(self, city: City, rng: np.random.Generator) -> tuple[float, float]:
        half = self.config.tile_m / 2
        span = half * (self.split.tiles_per_side - 1)
        if not self.split.centred:
            return draw_place(city, rng, MARGIN_M, MARGIN_M, MARGIN_M + span, MARGIN_M + span)
        while True:
            x = MARGIN_M + half * int(rng.integers(self.split.tiles_per_side))
            y = MARGIN_M + half * int(rng.integers(self.split.tiles_per_side))
            try:
                return draw_place(city, rng, x - 2, y - 2, x + 2, y + 2)
            except RuntimeError:
                continue

    def _render_query(self, plan: CityPlan, city: City, kind: str, number: int) -> tuple[QueryRow, PoseRow]:
        config = self.config
        cluster, member = divmod(number, self.split.cluster_size)
        shared = self._rng(plan.index, kind, "cluster", cluster)
        x, y = self._draw_position(city, shared)
        capture = draw_capture(shared)
        rng = self._rng(plan.index, kind, number)
        if member > 0:
            for _ in range(100):
                angle, distance = rng.uniform(0, 2 * math.pi), rng.uniform(4, 15)
                dx, dy = distance * math.sin(angle), distance * math.cos(angle)
                try:
                    x2, y2 = draw_place(city, rng, x + dx - 0.5, y + dy - 0.5, x + dx + 0.5, y + dy + 0.5)
                except RuntimeError:
                    continue
                x, y = x2, y2
                break
        name = f"c{plan.index:02d}_{kind}_{number:05d}"
        seed = derive_seed(self.seed, self.split.name, plan.index, kind, number)
        focal_mm = None
        if kind == "panorama":
            pose = Pose(x, y, rng.uniform(1.6, 2.5), rng.normal(0, 2.0), rng.normal(0, 1.5), rng.normal(0, 1.5))
            fov, stated_heading = 360.0, 0.0
            radiance, ranges, classes = render_panorama(
                city,
                pose,
                config.panorama_height_px,
                config.panorama_width_px,
                config.elevation_top_deg,
                config.elevation_bottom_deg,
                capture.vector(),
                config.samples,
                seed,
            )
            image = develop(radiance, capture, rng)
        else:
            stated_heading = rng.uniform(0, 360)
            portrait = bool(rng.random() < 0.4)
            long_side, short_side = config.photo_long_side_px, config.photo_long_side_px * 3 // 4
            cols, rows = (short_side, long_side) if portrait else (long_side, short_side)
            focal_mm = focal_length_35mm(rng.uniform(*PHOTO_FOV_DEG), cols, rows)
            fov = fov_of_focal_length(focal_mm, cols, rows)
            pose = Pose(x, y, rng.uniform(1.4, 1.8), stated_heading + rng.normal(0, 2.0), rng.normal(2, 4.0), rng.normal(0, 2.0))
            radiance, ranges, classes = render_photo(city, pose, rows, cols, fov, capture.vector(), config.samples, seed)
            image = shake(develop(radiance, capture, rng), rng)
        path = f"images/{name}.jpg"
        (self.out / path).write_bytes(jpeg(image, config.jpeg_quality, focal_mm))
        if self.split.depth:
            (self.out / f"depth/{name}.png").write_bytes(png16(ranges, nothing=classes == SKY))
            (self.out / f"classes/{name}.png").write_bytes(png(classes))
        lon, lat = plan.frame.to_lonlat(x, y)
        query = QueryRow(name, path, kind, lon, lat, stated_heading, fov, self.split.name)
        row = PoseRow(name, plan.index, cluster, x, y, pose.z_m, pose.heading_deg % 360, pose.pitch_deg, pose.roll_deg, fov)
        return query, row


def each_city(config: WorldConfig, name: str, seed: int, folder: Path, jobs: int) -> Iterator[Path]:
    """A split city by city, each as a view set of its own that is gone when the next is asked for: for more tiles than a disk should hold."""
    for plan in city_plans(config, seed)[name]:
        out = folder / f"{name}-{plan.index}"
        shutil.rmtree(out, ignore_errors=True)
        try:
            SplitBuilder(config, config.split(name), seed, out, jobs).build([plan])
            yield out
        finally:
            shutil.rmtree(out, ignore_errors=True)


def fingerprint(config: WorldConfig, split: SplitConfig, seed: int) -> str:
    """Changes whenever a rendered byte of the split may change."""
    if split.cities_of:
        split = dataclasses.replace(split, style=config.split(split.cities_of).style)
    shared = {field.name: getattr(config, field.name) for field in dataclasses.fields(config) if field.name != "splits"}
    places = [(s.name, s.cities, s.cities_of) for s in config.splits]
    text = json.dumps([__version__, seed, shared, dataclasses.asdict(split), places], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is None


def build_world(config: WorldConfig, seed: int, out: Path, splits: list[str], jobs: int) -> None:
    """Render the named splits into sub-folders of `out`. A split that is complete with the same configuration and seed is kept.

    Raises FileExistsError, before anything is rendered, where a sub-folder holds something that no build of a world wrote.
    """
    for name in splits:
        if (out / name).exists() and not (out / name / "world.json").exists() and not _is_empty(out / name):
            raise FileExistsError(f"{out / name}: holds something else than a split of a world; choose another --out or remove it")
    plans = city_plans(config, seed)
    for name in splits:
        split = config.split(name)
        mark = fingerprint(config, split, seed)
        target, partial = out / name, out / f".{name}.{mark}.partial"
        world_file = target / "world.json"
        if world_file.exists() and json.loads(world_file.read_text()).get("fingerprint") == mark:
            sys.stderr.write(f"{name}: complete, kept\n")
            continue
        partial.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        builder = SplitBuilder(config, split, seed, partial, jobs)
        builder.build(plans[name])
        seconds = time.monotonic() - started
        write_json(
            partial / "world.json",
            {
                "version": __version__,
                "seed": seed,
                "split": dataclasses.asdict(split),
                "fingerprint": mark,
                "metres_per_tile": config.tile_m,
                "tile_px": config.tile_px,
                "panorama": {
                    "width_px": config.panorama_width_px,
                    "height_px": config.panorama_height_px,
                    "elevation_top_deg": config.elevation_top_deg,
                    "elevation_bottom_deg": config.elevation_bottom_deg,
                },
                "cities": [{"index": p.index, "seed": p.seed, "lon0": p.frame.lon0, "lat0": p.frame.lat0} for p in plans[name]],
                "classes": dict(enumerate(NAMES)) | {SKY: "sky"},
                "max_range_m": MAX_RANGE_M,
            },
        )
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        tiles, queries = builder.rendered
        sys.stderr.write(
            f"{name}: {len(builder.tiles)} tiles, {len(builder.queries)} queries; rendered {tiles} and {queries} of them in {seconds:.1f} s on "
            f"{jobs} threads: {1000 * seconds / max(1, tiles + queries):.1f} ms a view, {1000 * seconds / max(1, queries):.1f} ms a pair\n"
        )
