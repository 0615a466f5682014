"""Fits a released model's calibration with the service's own engine, on held-out places and on places outside every region."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from .manifest import read_manifest, write_manifest

GEO2 = Path("bin/geo2")
REGION = "calibration"


def run_engine(arguments: list[str], store: Path, model: Path) -> None:
    """Run the command line on a store of its own with one version of a model; its messages go through. ValueError when it fails."""
    environment = os.environ | {
        "GEO2_STORE": store.resolve().as_uri(),
        "GEO2_MODEL_DIR": str(model.parent.resolve()),
        "GEO2_MODEL_VERSION": model.name,
        "GEO2_LOG_LEVEL": "warn",
        "GEO2_THREADS": str(os.cpu_count() or 1),
    }
    finished = subprocess.run([str(GEO2), *arguments], env=environment, check=False)
    if finished.returncode != 0:
        raise ValueError(f"{GEO2} {' '.join(arguments)}: exit code {finished.returncode}")


def calibrate(model: Path, held_out: Path, outside: Path, work: Path) -> dict:
    """Fit on the view set `held_out` (tiles and located queries) and the queries of `outside`; write it into the model's manifest."""
    store, target = work / "calibration-store", work / "calibration.json"
    shutil.rmtree(store, ignore_errors=True)
    run_engine(["region", "build", "--from", str(held_out), "--id", REGION, "--publish"], store, model)
    run_engine(["calibrate", str(held_out), "--region", REGION, "--outside", str(outside), "--out", str(target)], store, model)
    calibration = json.loads(target.read_text())
    write_manifest(model, read_manifest(model) | {"calibration": calibration})
    return calibration
