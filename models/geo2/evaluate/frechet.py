"""FD-GFM: Frechet distance between pictures in the frozen geometry model's features. Never to be called FID, whose features are others."""

from pathlib import Path

import numpy as np
import torch
from scipy import linalg

from ..config import Config, parse_config
from ..geometry.e2p import EquirectangularToPerspective
from ..models.gfm import GeometryFoundationModel

BATCH = 16


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)) of features [n, D] and [m, D]."""
    difference = a.mean(0) - b.mean(0)
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # the trace of a product's root is the sum of the roots of its eigenvalues, which are those of a symmetric matrix
    root = linalg.sqrtm(s1)
    root = root.real if np.iscomplexobj(root) else root
    eigenvalues = np.linalg.eigvalsh(root @ s2 @ root)
    return float(difference @ difference + np.trace(s1) + np.trace(s2) - 2 * np.sqrt(np.clip(eigenvalues, 0, None)).sum())


class GeometryFeatures:
    """A frozen geometry model: the mean token of a picture."""

    def __init__(self, config: Config, weights: dict) -> None:
        self.gfm = GeometryFoundationModel(config.gfm)
        self.gfm.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in weights.items()})
        self.gfm.eval()
        g, f = config.geometry, config.gfm
        self.e2p = EquirectangularToPerspective(
            g.canvas_width_px, g.canvas_height_px, g.elevation_top_deg, g.elevation_bottom_deg, f.view_yaws_deg, f.view_fov_deg, f.view_px
        )

    @classmethod
    def read(cls, file: Path) -> "GeometryFeatures":
        """Of a warm start's file. FileNotFoundError."""
        if not file.exists():
            raise FileNotFoundError(f"{file}: not found; name a file that `python -m geo2.train.warm_start` wrote")
        state = torch.load(file, map_location="cpu", weights_only=True)
        return cls(parse_config(state["config"]), state["gfm"])

    @torch.inference_mode()
    def ground(self, canvases: list[np.ndarray]) -> np.ndarray:
        """uint8 canvases -> [n, 2D]."""
        return self._features(canvases, lambda pixels: self.gfm.aggregate(self.e2p(pixels)).patches)

    @torch.inference_mode()
    def satellite(self, tiles: list[np.ndarray]) -> np.ndarray:
        """uint8 tiles -> [n, 2D]."""
        return self._features(tiles, lambda pixels: self.gfm.aggregate(pixels[:, None]).patches)

    @staticmethod
    def _features(images: list[np.ndarray], tokens) -> np.ndarray:
        parts = []
        for i in range(0, len(images), BATCH):
            pixels = torch.from_numpy(np.stack(images[i : i + BATCH])).permute(0, 3, 1, 2).float() / 255
            parts.append(tokens(pixels).mean((1, 2)).numpy())
        return np.concatenate(parts)
