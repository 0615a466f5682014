"""Synthesis metrics on a view set: both directions, the round trip, and the autoencoder that bounds them.

Every panorama of the split is paired with the imagery centred on its camera, both north up. A system is whatever turns the source views of a
direction into squares of the target view (`System`); ours and every rival are scored by the same code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

from ..data.canvas import place_panorama
from ..data.flow_cache import located_panoramas
from ..data.mosaic import build_mosaic, city_of
from ..data.pairs import ground_square, to_square
from ..data.view_set import ViewSet, load_images, read_view_set, to_metres
from .embedder import AnyEmbedder, Embedder
from .frechet import GeometryFeatures, frechet_distance
from .metrics import nearest_tile, recall
from .report import COLUMNS, share_row
from .segmenter import Layouts
from .synthesizer import Synthesizer

ROUND_TRIP_STEPS = (5, 10, 25, 50)
ROUND_TRIP_PAIRS = 16


@dataclass(frozen=True)
class Pairs:
    """Both views of n places, north up: canvases uint8 [n, H, W, 3], tiles [n, T, T, 3], the same as squares [n, S, S, 3], where the cameras
    stand in metres of one frame [n, 2], and embeddings [n, E] of both. Classes [n, T, T] and [n, H, W], None where the split has none."""

    canvases: np.ndarray
    tiles: np.ndarray
    ground: np.ndarray
    satellite: np.ndarray
    query_m: np.ndarray
    ground_embedding: np.ndarray
    satellite_embedding: np.ndarray
    ground_classes: np.ndarray | None
    tile_classes: np.ndarray | None

    def __len__(self) -> int:
        return len(self.canvases)


@dataclass(frozen=True)
class Gallery:
    """Reference tiles of the split: embeddings [m, E] and centres in metres [m, 2]."""

    embedding: np.ndarray
    tile_m: np.ndarray


System = Callable[[Pairs, str], np.ndarray]
"""(pairs, direction) -> uint8 squares [n, S, S, 3] of the target view."""


def read_pairs(view_set: ViewSet, embedder: AnyEmbedder, size_px: int, limit: int = 0) -> Pairs:
    """Of the split's located panoramas. ValueError when it has none."""
    g = embedder.geometry
    queries = located_panoramas(view_set, limit)
    if not queries or not view_set.tiles:
        raise ValueError(f"{view_set.folder.name}: expected tiles, and panoramas with lon and lat")
    with_classes = (view_set.folder / "classes").is_dir()
    canvases, tiles, ground_classes, tile_classes = [], [], [], []
    mosaics = {}
    for query in queries:
        city = city_of(query.query_id)
        if city not in mosaics:
            members = [t for t in view_set.tiles if city_of(t.tile_id) == city]
            images = load_images(view_set, [t.image for t in members])
            classes = [view_set.image(f"classes/tile_{t.tile_id}.png") for t in members] if with_classes else []
            mosaics[city] = [build_mosaic(view_set, members, g.tile_m, pictures) for pictures in (images, classes) if pictures]
        mosaic = mosaics[city][0]
        x, y = mosaic.pixel(np.array([[query.lon, query.lat]]))[0]
        corner = round(x - g.tile_px / 2), round(y - g.tile_px / 2)
        canvases.append(place_panorama(view_set.image(query.image), 360.0, query.heading_deg or 0.0, g)[0])
        tiles.append(mosaic.aligned_crop(*corner, g.tile_px, 0))
        if with_classes:
            tile_classes.append(mosaics[city][1].aligned_crop(*corner, g.tile_px, 0)[..., 0])
            classes = view_set.image(f"classes/{query.query_id}.png")[..., 0]
            ground_classes.append(classes[:, (np.arange(g.canvas_width_px) * classes.shape[1]) // g.canvas_width_px])
    everything = np.ones((g.canvas_height_px, g.canvas_width_px), np.uint8)
    origin = view_set.tiles[0].centre
    return Pairs(
        np.stack(canvases),
        np.stack(tiles),
        np.stack([ground_square(c, everything, size_px) for c in canvases]),
        np.stack([to_square(t, size_px) for t in tiles]),
        to_metres(np.array([(q.lon, q.lat) for q in queries]), origin),
        embedder.ground_at_centre(canvases, [everything] * len(canvases)),
        embedder.satellite(tiles),
        np.stack(ground_classes) if with_classes else None,
        np.stack(tile_classes) if with_classes else None,
    )


def read_gallery(view_set: ViewSet, embedder: AnyEmbedder) -> Gallery:
    images = load_images(view_set, [t.image for t in view_set.tiles])
    tile_m = to_metres(np.array([t.centre for t in view_set.tiles]), view_set.tiles[0].centre)
    return Gallery(embedder.satellite(images), tile_m)


def our_system(synthesizer: Synthesizer) -> System:
    """The released flow: one network, both ways."""

    def synthesize(pairs: Pairs, direction: str) -> np.ndarray:
        forth = direction == "ground_to_satellite"
        squares, c = (pairs.ground, pairs.ground_embedding) if forth else (pairs.satellite, pairs.satellite_embedding)
        return synthesizer.decode(synthesizer.translate(synthesizer.encode(squares), c, direction))

    return synthesize


def mean_row(system: str, split: str, condition: str, metric: str, values: np.ndarray) -> dict:
    """A row whose value is a mean over n pictures, with its normal 95 % interval."""
    mean, half = float(values.mean()), 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    row = (system, "synthesis", split, condition, metric, round(mean, 4), len(values), [round(mean - half, 4), round(mean + half, 4)])
    return dict(zip(COLUMNS, row, strict=True))


def plain_row(system: str, split: str, condition: str, metric: str, value: float, n: int) -> dict:
    """A row whose value is of the whole set at once: its interval is itself."""
    value = round(value, 4)
    return dict(zip(COLUMNS, (system, "synthesis", split, condition, metric, value, n, [value, value]), strict=True))


def picture_rows(system: str, split: str, condition: str, seen: np.ndarray, wanted: np.ndarray) -> list[dict]:
    """PSNR in dB and SSIM of uint8 squares, the mean over pictures."""
    error = ((seen.astype(np.float64) - wanted) ** 2).mean((1, 2, 3)).clip(1e-6)
    ssim = np.array([structural_similarity(a, b, channel_axis=2, data_range=255) for a, b in zip(seen, wanted, strict=True)])
    return [mean_row(system, split, condition, "psnr", 10 * np.log10(255**2 / error)), mean_row(system, split, condition, "ssim", ssim)]


@dataclass(frozen=True)
class Judge:
    """What scores pictures of a split. layouts: None where the split has no classes."""

    split: str
    embedder: AnyEmbedder
    features: GeometryFeatures
    gallery: Gallery
    layouts: Layouts | None

    def rows(self, system: str, direction: str, squares: np.ndarray, pairs: Pairs) -> list[dict]:
        """All metrics of one system in one direction; `squares` [n, S, S, 3] are what it made of the pairs."""
        to_satellite = direction == "ground_to_satellite"
        wanted = pairs.satellite if to_satellite else pairs.ground
        rows = picture_rows(system, self.split, direction, squares, wanted)
        views = resize_all(squares, (pairs.tiles if to_satellite else pairs.canvases).shape[1:3])
        describe = self.features.satellite if to_satellite else self.features.ground
        real = list(pairs.tiles if to_satellite else pairs.canvases)
        rows.append(plain_row(system, self.split, direction, "fd_gfm", frechet_distance(describe(views), describe(real)), len(pairs)))
        embedding = self.embed(views, to_satellite)
        source = pairs.ground_embedding if to_satellite else pairs.satellite_embedding
        made = embedding if to_satellite else self.embedder.ground_at_centre(views, whole(views))
        rows.append(mean_row(system, self.split, direction, "consistency", (made * source).sum(-1)))
        rows += self.recall_rows(system, direction, embedding, pairs)
        if self.layouts is not None and pairs.tile_classes is not None and pairs.ground_classes is not None:
            score = self.layouts.of_tiles(views, pairs.tile_classes) if to_satellite else self.layouts.of_canvases(views, pairs.ground_classes)
            rows.append(plain_row(system, self.split, direction, "layout_miou", score, len(pairs)))
        return rows

    def embed(self, views: list[np.ndarray], satellite: bool) -> np.ndarray:
        """[n, E] of tiles; [n, K, E] of canvases north up, one for each place of the tile's centre."""
        if satellite:
            return self.embedder.satellite(views)
        return self.embedder.ground(views, whole(views))[:, self.embedder.turns_deg == 0]

    def recall_rows(self, system: str, condition: str, embedding: np.ndarray, pairs: Pairs) -> list[dict]:
        """R@1 and R@10 of embeddings [n, E] or [n, K, E] as queries against the real gallery; the nearest tile is the truth."""
        similarity = embedding.reshape(-1, embedding.shape[-1]) @ self.gallery.embedding.T
        similarity = similarity.reshape(len(pairs), -1, len(self.gallery.tile_m)).max(1)
        truth = nearest_tile(pairs.query_m, self.gallery.tile_m)
        return [share_row(system, self.split, condition, f"r{k}", recall(similarity, truth, k), len(pairs), task="synthesis") for k in (1, 10)]


def whole(views: list[np.ndarray]) -> list[np.ndarray]:
    """Masks of canvases that have data everywhere."""
    return [np.ones(view.shape[:2], np.uint8) for view in views]


def resize_all(squares: np.ndarray, shape: tuple[int, int]) -> list[np.ndarray]:
    """Squares back to canvases or tiles of `shape` (rows, columns)."""
    rows, columns = shape
    return [np.asarray(Image.fromarray(s).resize((columns, rows), Image.Resampling.BILINEAR)) for s in squares]


def reference_rows(judge: Judge, synthesizer: Synthesizer, pairs: Pairs) -> list[dict]:
    """What bounds every system: real views as queries, chance, and plain reconstruction."""
    rows = []
    real = {"ground_to_satellite": list(pairs.tiles), "satellite_to_ground": list(pairs.canvases)}
    for direction, views in real.items():
        embedding = judge.embed(views, direction == "ground_to_satellite")
        rows += judge.recall_rows("real-view", direction, embedding, pairs)
        squares = synthesizer.decode(synthesizer.encode(pairs.satellite if direction == "ground_to_satellite" else pairs.ground))
        rows += judge.rows("reconstruction", direction, squares, pairs)
        if judge.layouts is not None and pairs.tile_classes is not None and pairs.ground_classes is not None:
            of_tiles = direction == "ground_to_satellite"
            score = judge.layouts.of_tiles(views, pairs.tile_classes) if of_tiles else judge.layouts.of_canvases(views, pairs.ground_classes)
            rows.append(plain_row("real-view", judge.split, direction, "layout_miou", score, len(pairs)))
        rows.append(share_row("chance", judge.split, direction, "r1", 100 / len(judge.gallery.tile_m), len(pairs), task="synthesis"))
    return rows


def round_trip_rows(system: str, split: str, synthesizer: Synthesizer, pairs: Pairs) -> list[dict]:
    """Relative error of ground latents after ground -> satellite -> ground, both ways with f_g, against the number of steps each way."""
    part = slice(0, ROUND_TRIP_PAIRS)
    x, c = synthesizer.encode(pairs.ground[part]), pairs.ground_embedding[part]
    rows = []
    for steps in ROUND_TRIP_STEPS:
        there = synthesizer.translate(x, c, "ground_to_satellite", steps)
        back = synthesizer.translate(there, c, "satellite_to_ground", steps)
        error = np.linalg.norm((back - x).reshape(len(x), -1), axis=1) / np.linalg.norm(x.reshape(len(x), -1), axis=1)
        rows.append(mean_row(system, split, f"round_trip_{steps}_{synthesizer.solver}", "relative_latent_error", error))
    return rows


def evaluate_synthesis(model: Path, folder: Path, features: Path, segmenter_data: Path | None = None, limit: int = 0) -> list[dict]:
    """Rows of one view set. segmenter_data: a split with classes, on which the judge of layouts is trained."""
    embedder, synthesizer = Embedder(model), Synthesizer(model)
    view_set = read_view_set(folder)
    pairs = read_pairs(view_set, embedder, synthesizer.size_px, limit)
    judge = build_judge(view_set, embedder, features, segmenter_data)
    rows = reference_rows(judge, synthesizer, pairs)
    synthesize = our_system(synthesizer)
    for direction in ("ground_to_satellite", "satellite_to_ground"):
        rows += judge.rows(embedder.name, direction, synthesize(pairs, direction), pairs)
    return rows + round_trip_rows(embedder.name, folder.name, synthesizer, pairs)


def build_judge(view_set: ViewSet, embedder: Embedder, features: Path, segmenter_data: Path | None) -> Judge:
    """segmenter_data: a split with classes, or None to leave the layout metric out."""
    layouts = Layouts.train(segmenter_data, embedder.geometry) if segmenter_data is not None else None
    return Judge(view_set.folder.name, embedder, GeometryFeatures.read(features), read_gallery(view_set, embedder), layouts)
