"""The embedding: of the released ONNX files, as the service runs them, and of weights in training."""

from pathlib import Path

import numpy as np
import torch

from ..config import GeometryConfig
from ..export import onnx_session
from ..manifest import read_manifest
from ..models.geomap import GeoMap

BATCH = 16


class Embedder:
    """ground.onnx and satellite.onnx of a released model's folder."""

    def __init__(self, folder: Path) -> None:
        self.manifest = read_manifest(folder)
        graphs = self.manifest["graphs"]
        self._ground = onnx_session(folder / graphs["ground"]["file"])
        self._satellite = onnx_session(folder / graphs["satellite"]["file"])
        ground, satellite = self.manifest["geometry"]["ground"], self.manifest["geometry"]["satellite"]
        self.geometry = GeometryConfig(
            canvas_width_px=ground["widthPx"],
            canvas_height_px=ground["heightPx"],
            elevation_top_deg=ground["elevationTopDeg"],
            elevation_bottom_deg=ground["elevationBottomDeg"],
            tile_px=satellite["widthPx"],
            tile_m=satellite["metresPerTile"],
        )

    @property
    def name(self) -> str:
        return self.manifest["name"]

    @property
    def turns_deg(self) -> np.ndarray:
        """By which the canvas' middle looks clockwise from a tile's up, for each hypothesis of `ground`, [K]."""
        return np.array([h["turnDeg"] for h in self.manifest["hypotheses"]])

    def ground(self, canvases: list[np.ndarray], masks: list[np.ndarray]) -> np.ndarray:
        """uint8 canvases and masks -> [n, K, D], one vector for each hypothesis."""
        parts = [
            self._ground.run(["hypotheses"], {"image": np.stack(canvases[i : i + BATCH]), "mask": np.stack(masks[i : i + BATCH])})[0]
            for i in range(0, len(canvases), BATCH)
        ]
        return np.concatenate(parts)

    def ground_at_centre(self, canvases: list[np.ndarray], masks: list[np.ndarray]) -> np.ndarray:
        """uint8 canvases and masks -> [n, D], for a camera at the tile's centre and a middle that looks up."""
        parts = [
            self._ground.run(["embedding"], {"image": np.stack(canvases[i : i + BATCH]), "mask": np.stack(masks[i : i + BATCH])})[0]
            for i in range(0, len(canvases), BATCH)
        ]
        return np.concatenate(parts)

    def satellite(self, tiles: list[np.ndarray]) -> np.ndarray:
        """uint8 tiles -> [n, D]."""
        return np.concatenate([self._satellite.run(None, {"image": np.stack(tiles[i : i + BATCH])})[0] for i in range(0, len(tiles), BATCH)])


class TrainedEmbedder:
    """The same of a model in torch, on its own device."""

    def __init__(self, geomap: GeoMap) -> None:
        self.geomap, self.name, self.geometry = geomap, geomap.config.name, geomap.config.geometry
        self.turns_deg = np.array([h.turn_deg for h in geomap.hypotheses])

    @torch.inference_mode()
    def ground(self, canvases: list[np.ndarray], masks: list[np.ndarray]) -> np.ndarray:
        return self._batches(self.geomap.ground, canvases, masks)

    @torch.inference_mode()
    def ground_at_centre(self, canvases: list[np.ndarray], masks: list[np.ndarray]) -> np.ndarray:
        n = len(self.geomap.head.offsets_m)
        first = int(np.flatnonzero(self.turns_deg == 0)[0])
        return self._batches(lambda *images: self.geomap.head.at_centre(self.geomap.ground(*images)[:, first : first + n]), canvases, masks)

    @torch.inference_mode()
    def satellite(self, tiles: list[np.ndarray]) -> np.ndarray:
        return self._batches(self.geomap.satellite, tiles)

    def _batches(self, embed, *images: list[np.ndarray]) -> np.ndarray:
        device = next(self.geomap.parameters()).device
        parts = []
        for i in range(0, len(images[0]), BATCH):
            parts.append(embed(*(torch.from_numpy(np.stack(group[i : i + BATCH])).to(device) for group in images)).cpu().numpy())
        return np.concatenate(parts)


AnyEmbedder = Embedder | TrainedEmbedder
