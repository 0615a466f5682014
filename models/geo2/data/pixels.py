"""Training pairs and a gallery as pixels, for networks that are trained end to end."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from .mosaic import Mosaic, build_mosaic, city_of
from .samples import Standing, draw_sample, place_query
from .view_set import Tile, load_images, read_view_set, to_metres


@dataclass(frozen=True)
class PixelBatch:
    """canvas uint8 [B, H, W, 3] and mask uint8 [B, H, W], their middle looking where the tile's up is, but for a heading error; tile uint8
    [B, S, S, 3]; where they stand; seed: of what the network draws itself."""

    canvas: Tensor
    mask: Tensor
    tile: Tensor
    standing: Standing
    seed: int


class PixelPairs:
    """The queries of a split, each drawn anew whenever it is asked for. A city's imagery is read when the first of its queries is."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.view_set = config, read_view_set(folder)
        queries = self.view_set.queries
        names = [city_of(q.query_id) for q in queries]
        cities = sorted(set(names))[: config.geomap_training.train_cities or None]
        self.tiles: dict[str, list[Tile]] = {name: [] for name in cities}
        for tile in self.view_set.tiles:
            self.tiles.get(city_of(tile.tile_id), []).append(tile)
        self.city = np.array([cities.index(name) if name in self.tiles else -1 for name in names], np.int32)
        self.photo = np.array([q.kind == "photo" for q in queries])
        self.query_m = np.zeros((len(queries), 2))
        for number, name in enumerate(cities):
            rows, tiles = np.flatnonzero(self.city == number), self.tiles[name]
            north_west = (min(t.west for t in tiles), max(t.north for t in tiles))
            self.query_m[rows] = to_metres(np.array([(queries[i].lon, queries[i].lat) for i in rows]), north_west)
        self._mosaics: dict[str, Mosaic] = {}

    def _mosaic(self, name: str) -> Mosaic:
        if name not in self._mosaics:
            tiles = self.tiles[name]
            images = load_images(self.view_set, [t.image for t in tiles])
            self._mosaics[name] = build_mosaic(self.view_set, tiles, self.config.geometry.tile_m, images)
        return self._mosaics[name]

    def draw(self, rows: np.ndarray, rng: np.random.Generator) -> PixelBatch:
        """Pairs of these rows, as `draw_sample` varies them."""
        canvases, masks, tiles, centres, ups = [], [], [], [], []
        for row in rows:
            query = self.view_set.queries[row]
            ground, drawn = draw_sample(self.view_set.image(query.image), query, self._mosaic(city_of(query.query_id)), self.config, rng)
            tile = drawn[0]
            canvases.append(np.roll(ground.canvas, 8 * tile.turn, axis=1))
            masks.append(np.roll(ground.mask, 8 * tile.turn, axis=1))
            tiles.append(tile.image)
            centres.append(tile.centre_m)
            ups.append(tile.up_deg)
        standing = Standing(self.city[rows], self.query_m[rows], np.array(centres), np.array(ups))
        canvas, mask, tile = (torch.from_numpy(np.stack(images)) for images in (canvases, masks, tiles))
        return PixelBatch(canvas, mask, tile, standing, int(rng.integers(2**31)))


class PixelGallery:
    """A split for validation: tiles and queries, north up, in memory; positions in metres of one frame."""

    def __init__(self, config: Config, folder: Path) -> None:
        view_set = read_view_set(folder)
        self.tiles = load_images(view_set, [t.image for t in view_set.tiles])
        placed = [place_query(view_set.image(q.image), q, 0.0, config) for q in view_set.queries]
        self.canvases, self.masks = [canvas for canvas, _ in placed], [mask for _, mask in placed]
        origin = view_set.tiles[0].centre
        self.tile_m = to_metres(np.array([t.centre for t in view_set.tiles]), origin)
        self.query_m = to_metres(np.array([(q.lon, q.lat) for q in view_set.queries]), origin)
        self.photo = np.array([q.kind == "photo" for q in view_set.queries])
