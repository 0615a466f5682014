"""`make evaluate`: fresh splits of Null Island from a seed, retrieval by the ONNX files, and the answers of the service's own engine."""

import json
import os
import shutil
import sys
from pathlib import Path

from null_island.build import build_world
from null_island.config import load_config

from ..calibration import run_engine
from .embedder import Embedder
from .report import write_report
from .retrieval import evaluate_split

RELEASED = Path("models/released/geo2-mini")


def released_model() -> Path:
    """The folder of the version that is served. FileNotFoundError when there is none."""
    pointer = RELEASED / "current.json"
    if not pointer.exists():
        raise FileNotFoundError(f"{pointer}: missing; export and release a model first, or give --model")
    return RELEASED / json.loads(pointer.read_text())["version"]


def evaluate_suite(config_path: Path, seed: int, out: Path, model: Path | None) -> list[dict]:
    """Rows of every split of the configuration; also written to out/report.json."""
    folder = model or released_model()
    config = load_config(config_path)
    names = [split.name for split in config.splits]
    build_world(config, seed, out / "world", names, os.cpu_count() or 1)
    embedder = Embedder(folder)
    rows: list[dict] = []
    galleries = [split.name for split in config.splits if split.gallery]
    outside = [split.name for split in config.splits if not split.gallery]
    store = out / "store"
    for name in galleries:
        sys.stderr.write(f"retrieval: {name}\n")
        rows += evaluate_split(embedder, out / "world" / name, name)
        write_report(out / "report.json", rows)
    for name in galleries:
        region = name.replace("_", "-")
        shutil.rmtree(store / "regions" / region, ignore_errors=True)  # of another seed or model
        run_engine(["region", "build", "--from", str(out / "world" / name), "--id", region, "--publish"], store, folder)
        for split in [name, *outside]:
            report = out / f"engine-{name}-{split}.json"
            asked = ["evaluate", str(out / "world" / split), "--region", region, "--out", str(report)]
            run_engine([*asked, "--diagrams", str(out / "diagrams" / name)], store, folder)
            answered = json.loads(report.read_text())
            rows += [row | {"split": split if split == name else f"{split}_of_{name}"} for row in answered]
            write_report(out / "report.json", rows)
    return rows
