"""Writes a released model's manifest.json; `src/core/inference/manifest.ts` is its schema on the other side."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from . import __version__
from .config import Config, to_dict
from .models.geomap import Hypothesis
from .models.rae import latent_shape

LICENCE = "Apache-2.0"
DEFAULT_CALIBRATION = {
    "source": "default, not fitted",
    "temperature": 0.05,
    "notHereSimilarity": 0.5,
    "matchedMinProbability": 0.7,
    "ambiguousMinProbability": 0.3,
    "tileSigmaM": 14.0,
    "radiusScale": 1.0,
    "headingSigmaDeg": 12.0,
    "profiles": {},
}
"""What a model answers with until `geo2.calibration` has fitted it on held-out data."""


def file_facts(folder: Path) -> list[dict]:
    """Path, sha256 and size of every file of a model's folder but the manifest, sorted."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    return [
        {"path": p.relative_to(folder).as_posix(), "sha256": hashlib.sha256(p.read_bytes()).hexdigest(), "sizeBytes": p.stat().st_size} for p in paths
    ]


def graph_entry(file: str, inputs: list[tuple[str, str, list[int]]], outputs: list[tuple[str, str, list[int]]]) -> dict:
    """A graph with its tensors (name, dtype, shape without the batch)."""

    def tensor(name: str, dtype: str, shape: list[int]) -> dict:
        return {"name": name, "dtype": dtype, "shape": ["batch", *shape]}

    return {"file": file, "inputs": [tensor(*i) for i in inputs], "outputs": [tensor(*o) for o in outputs]}


def latent_entry(config: Config, metrics: dict) -> dict:
    """What a model with synthesis says of its latent and of the solver to take; metrics: of the validation, any."""
    channels, height, width = latent_shape(config)
    solver = {"name": "heun", "steps": 10, "conditionEvery": 0, "guidance": config.flow.guidance}
    return {"sizePx": config.rae.size_px, "channels": channels, "heightCells": height, "widthCells": width, "solver": solver, "metrics": metrics}


def build_manifest(
    config: Config,
    version: str,
    graphs: dict,
    hypotheses: list[Hypothesis],
    calibration: dict,
    training: dict,
    files: list[dict],
    latent: dict | None = None,
) -> dict:
    """The manifest as plain values. training: data, steps, metrics; the configuration and the code's version are added. latent: of a model that
    has the four graphs of synthesis."""
    g = config.geometry
    return {
        "schemaVersion": 1,
        "name": config.name,
        "version": version,
        "createdAt": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "licence": LICENCE,
        "embedding": {"width": config.geomap.embedding, "metric": "cosine"},
        "geometry": {
            "ground": {
                "projection": "equirectangular",
                "widthPx": g.canvas_width_px,
                "heightPx": g.canvas_height_px,
                "elevationTopDeg": g.elevation_top_deg,
                "elevationBottomDeg": g.elevation_bottom_deg,
                "fovDeg": {"min": 60, "max": 360},
            },
            "satellite": {"widthPx": g.tile_px, "heightPx": g.tile_px, "metresPerTile": g.tile_m},
        },
        "hypotheses": [{"turnDeg": h.turn_deg, "rightM": h.right_m, "aheadM": h.ahead_m} for h in hypotheses],
        "orientationBank": {"recommended": 8},
        "graphs": graphs,
        "latent": latent,
        "calibration": calibration,
        "files": files,
        "golden": {"file": "golden/golden.json", "tolerance": 1e-4},
        "training": {"code": f"geo2 {__version__}", "config": to_dict(config), **training},
    }


def write_manifest(folder: Path, manifest: dict) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def read_manifest(folder: Path) -> dict:
    """FileNotFoundError names what is missing."""
    path = folder / "manifest.json"
    if not path.exists():
        raise FileNotFoundError(f"{folder.name}: no manifest.json; expected the folder of a released model")
    return json.loads(path.read_text())
