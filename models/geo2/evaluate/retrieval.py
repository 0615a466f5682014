"""Retrieval metrics of anything that embeds, on a view set: every tile is the gallery, the nearest tile is the truth."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from ..config import GeometryConfig
from ..data.canvas import limit_field_of_view, place_panorama, place_photo
from ..data.mosaic import build_mosaic, city_of
from ..data.view_set import Query, ViewSet, load_images, read_view_set, to_metres
from .metrics import nearest_tile, ranks, semi_positives
from .report import share_row

HEADINGS = 8
PRIOR_RADIUS_M = 300.0
WIDE_PHOTO_DEG = 85.0
SEED = 20260101
"""Of random rolls, limited fields of view and priors: fixed, so that two models see the same queries."""


class ViewEmbedder(Protocol):
    """What is evaluated: a released model's ONNX files (`Embedder`) or a torch network (`TorchEmbedder`). turns_deg [K]: by which the canvas' middle
    looks clockwise from a tile's up, for each hypothesis of `ground`."""

    name: str
    geometry: GeometryConfig
    turns_deg: np.ndarray

    def ground(self, canvases: list[np.ndarray], masks: list[np.ndarray]) -> np.ndarray:
        """uint8 canvases and masks -> unit vectors [n, K, D]."""

    def satellite(self, tiles: list[np.ndarray]) -> np.ndarray:
        """uint8 tiles -> unit vectors [n, D]."""


@dataclass(frozen=True)
class Distractors:
    """Tiles of places where no query is, batch by batch, to be read once. counts: after how many of them ranks are stated."""

    counts: tuple[int, ...]
    tiles: Iterable[list[np.ndarray]]


@dataclass(frozen=True)
class Condition:
    """How queries are presented. heading_known: north up, else the canvas starts at the image's middle, turned at random for panoramas."""

    name: str
    kind: str
    heading_known: bool
    fov_deg: float | None = None
    prior: bool = False
    wide_only: bool = False


CONDITIONS = (
    Condition("aligned", "panorama", True),
    Condition("aligned_near300", "panorama", True, prior=True),
    Condition("unknown_heading", "panorama", False),
    Condition("fov180", "panorama", True, fov_deg=180),
    Condition("fov90", "panorama", True, fov_deg=90),
    Condition("fov70", "panorama", True, fov_deg=70),
    Condition("fov180_unknown_heading", "panorama", False, fov_deg=180),
    Condition("fov90_unknown_heading", "panorama", False, fov_deg=90),
    Condition("fov70_unknown_heading", "panorama", False, fov_deg=70),
    Condition("photo", "photo", True),
    Condition("photo90", "photo", True, wide_only=True),
    Condition("photo_near300", "photo", True, prior=True),
    Condition("photo_unknown_heading", "photo", False),
)

DISTRACTED = ("aligned", "photo")
"""Conditions that are also searched among distractors: with a known heading one orientation of each is enough."""


def orientation_bank(view_set: ViewSet, geometry: GeometryConfig, headings: int) -> Iterable[list[np.ndarray]]:
    """For each tile its crops with azimuth 360 * r / headings up, r = 0 ... headings - 1, cut from the city's mosaic."""
    metres_per_px = geometry.tile_m / geometry.tile_px
    for city in dict.fromkeys(city_of(t.tile_id) for t in view_set.tiles):
        tiles = [t for t in view_set.tiles if city_of(t.tile_id) == city]
        images = load_images(view_set, [t.image for t in tiles])
        mosaic = build_mosaic(view_set, tiles, geometry.tile_m, images)
        for tile, image in zip(tiles, images, strict=True):
            x, y = to_metres(np.array([tile.centre]), mosaic.origin)[0] * (1, -1) / metres_per_px
            yield [image, *(mosaic.turned_crop(x, y, geometry.tile_px, 360 * r / headings) for r in range(1, headings))]


def present(
    query: Query, image: np.ndarray, condition: Condition, geometry: GeometryConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """Canvas, mask and the azimuth that the canvas' middle truly looks towards."""
    heading, fov = query.heading_deg or 0.0, query.fov_deg or 90.0
    if query.kind == "photo":
        return *place_photo(image, fov, heading if condition.heading_known else 0.0, geometry), 0.0 if condition.heading_known else heading
    roll = float(rng.integers(360))
    north = 0.0 if condition.heading_known else -roll
    canvas, mask = place_panorama(image, fov, heading + north, geometry)
    if condition.fov_deg is not None:
        middle = roll if condition.heading_known else 0.0
        canvas, mask = limit_field_of_view(canvas, mask, (middle + 180) % 360 - 180, condition.fov_deg)
    return canvas, mask, -north % 360


def prior_mask(query_m: np.ndarray, tile_m: np.ndarray, half_tile_m: float, rng: np.random.Generator) -> np.ndarray:
    """[n, m], true for tiles that a circle of PRIOR_RADIUS_M touches; the circle contains the query, its centre is anywhere that allows."""
    angle, length = rng.uniform(0, 2 * np.pi, len(query_m)), PRIOR_RADIUS_M * np.sqrt(rng.uniform(0, 1, len(query_m)))
    centre = query_m + np.stack([np.sin(angle), np.cos(angle)], 1) * length[:, None]
    beyond = np.maximum(np.abs(centre[:, None] - tile_m[None]) - half_tile_m, 0)
    return np.hypot(beyond[..., 0], beyond[..., 1]) <= PRIOR_RADIUS_M


def evaluate_split(
    embedder: ViewEmbedder, folder: Path, split: str, conditions: tuple[Condition, ...] = CONDITIONS, distractors: Distractors | None = None
) -> list[dict]:
    """Rows of one view set that has tiles and located queries; with distractors also of these together. ValueError when it has none."""
    view_set = read_view_set(folder)
    if not view_set.tiles or not view_set.queries:
        raise ValueError(f"{folder.name}: expected tiles and queries")
    g = embedder.geometry
    bank = np.concatenate([embedder.satellite(crops) for crops in orientation_bank(view_set, g, HEADINGS)])
    bank = bank.reshape(len(view_set.tiles), HEADINGS, -1)  # [m, R, D]
    origin = view_set.tiles[0].centre
    tile_m = to_metres(np.array([t.centre for t in view_set.tiles]), origin)
    images = dict(zip((q.query_id for q in view_set.queries), load_images(view_set, [q.image for q in view_set.queries]), strict=True))
    rows, distracted = [], []
    for condition in conditions:
        queries = [q for q in view_set.queries if q.kind == condition.kind and q.lon is not None]
        if condition.wide_only:
            queries = [q for q in queries if (q.fov_deg or 0) >= WIDE_PHOTO_DEG]
        if not queries:
            continue
        rng = np.random.default_rng(SEED)
        shown = [present(q, images[q.query_id], condition, g, rng) for q in queries]
        embedding = embedder.ground([s[0] for s in shown], [s[1] for s in shown])
        query_m = to_metres(np.array([(q.lon, q.lat) for q in queries]), origin)
        truth = nearest_tile(query_m, tile_m)
        covering = semi_positives(query_m, tile_m, g.tile_m / 2)
        if condition.heading_known:
            embedding = embedding[:, embedder.turns_deg == 0]
            matches = best_matches(embedding, np.zeros(1), bank[:, :1])
        else:
            matches = best_matches(embedding, embedder.turns_deg, bank)
        if condition.prior:
            allowed = prior_mask(query_m, tile_m, g.tile_m / 2, rng)
            matches = Matches(np.where(allowed, matches.similarity, -2.0), matches.heading_deg)
        ranking = rank(matches.similarity, truth, covering)
        rows += _rows(embedder.name, split, condition.name, ranking)
        if not condition.heading_known:
            rows += _heading_rows(embedder.name, split, condition.name, matches, truth, np.array([middle for _, _, middle in shown]))
        if condition.name in DISTRACTED:
            distracted.append((condition.name, embedding, ranking))
    if distractors is not None:
        rows += _rows_among(embedder, split, distracted, distractors)
    return rows


@dataclass
class Ranking:
    """Of n queries in a gallery of `references`: own [n], the similarity of the true tile; above, at_least and wrong [n]: how many others score
    more, as much or more, and more while they do not cover the query."""

    references: int
    own: np.ndarray
    above: np.ndarray
    at_least: np.ndarray
    wrong: np.ndarray

    def add(self, similarity: np.ndarray) -> None:
        """Of further references [n, m], none of them right."""
        above = (similarity > self.own[:, None]).sum(1)
        self.references += similarity.shape[1]
        self.above, self.wrong = self.above + above, self.wrong + above
        self.at_least = self.at_least + (similarity >= self.own[:, None]).sum(1)


def rank(similarity: np.ndarray, truth: np.ndarray, covering: np.ndarray) -> Ranking:
    own = similarity[np.arange(len(truth)), truth]
    wrong = ((similarity > own[:, None]) & ~covering).sum(1)
    return Ranking(similarity.shape[1], own, ranks(similarity, truth), ranks(similarity, truth, pessimistic=True), wrong)


def _rows_among(embedder: ViewEmbedder, split: str, asked: list[tuple[str, np.ndarray, Ranking]], distractors: Distractors) -> list[dict]:
    """asked: name, embeddings [n, K, D] and ranking of each condition; each distractor is embedded once for all of them."""
    rows, counts, seen = [], sorted(distractors.counts), 0
    for tiles in distractors.tiles:
        references = embedder.satellite(tiles[: counts[-1] - seen])
        for start, stop in _pieces(seen, len(references), counts):
            for _, embedding, ranking in asked:
                ranking.add(best_matches(embedding, np.zeros(1), references[start:stop, None]).similarity)
            if seen + stop in counts:
                for name, _, ranking in asked:
                    rows += _rows(embedder.name, split, f"{name}_distractors{seen + stop}", ranking)
        seen += len(references)
        if seen == counts[-1]:
            return rows
    raise ValueError(f"distractors: expected {counts[-1]} tiles, got {seen}")


def _pieces(seen: int, length: int, counts: list[int]) -> list[tuple[int, int]]:
    """Slices of a batch of `length` after `seen` others, cut where a count is reached."""
    cuts = [0, *(count - seen for count in counts if 0 < count - seen < length), length]
    return list(pairwise(cuts))


@dataclass(frozen=True)
class Matches:
    """similarity [n, m]: of the best hypothesis and orientation; heading_deg [n, m]: what they say of where the canvas' middle looks."""

    similarity: np.ndarray
    heading_deg: np.ndarray


def best_matches(embedding: np.ndarray, turns_deg: np.ndarray, bank: np.ndarray) -> Matches:
    """Queries [n, K, D] against references [m, R, D]; turns_deg [K], or one for all."""
    n, K, D = embedding.shape
    similarity = np.full((n, len(bank)), -np.inf, np.float32)
    heading = np.zeros((n, len(bank)), np.float32)
    turns = np.broadcast_to(turns_deg, K)
    for r in range(bank.shape[1]):
        of_row = (embedding.reshape(n * K, D) @ bank[:, r].T).reshape(n, K, -1)
        best = of_row.argmax(1)  # [n, m]
        value = np.take_along_axis(of_row, best[:, None], 1)[:, 0]
        better = value > similarity
        heading[better] = ((360 * r / bank.shape[1] + turns[best]) % 360)[better]
        similarity[better] = value[better]
    return Matches(similarity, heading)


def _heading_rows(system: str, split: str, condition: str, matches: Matches, truth: np.ndarray, azimuth: np.ndarray) -> list[dict]:
    """How right the heading of the right matches is; azimuth [n]: where each canvas' middle truly looks."""
    right = np.flatnonzero(matches.similarity.argmax(1) == truth)
    error = np.abs((matches.heading_deg[right, truth[right]] - azimuth[right] + 180) % 360 - 180)
    rows = []
    for metric, limit_deg in (("heading_right_of_r1", 180 / HEADINGS), ("heading_within10_of_r1", 10.0)):
        share = 100 * float((error <= limit_deg + 1e-6).mean()) if len(right) else 0.0
        rows.append(share_row(system, split, condition, metric, share, len(right)))
    return rows


def _rows(system: str, split: str, condition: str, ranking: Ranking) -> list[dict]:
    def row(metric: str, right: np.ndarray) -> dict:
        return share_row(system, split, condition, metric, 100 * float(right.mean()), len(right))

    rows = [row(f"r{k}", ranking.above < k) for k in (1, 5, 10)]
    rows.append(row("r1pct", ranking.above < ranking.references // 100))
    rows.append(row("r1_pessimistic", ranking.at_least < 1))
    rows.append(row("hit", ranking.wrong < 1))
    return rows
