"""What joint training brings: retrieval and synthesis before and after, with and without the consistency loss, over beta, tau_kl and seeds."""

import dataclasses
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..baselines.run_parts import RunParts, load_parts
from ..config import Config
from ..data.view_set import read_view_set
from ..evaluate.frechet import GeometryFeatures
from ..evaluate.report import merge_report, write_report
from ..evaluate.segmenter import Layouts
from ..evaluate.synthesis import Judge, read_gallery, read_pairs
from ..export import DIRECTIONS
from ..flow.network import GeoFlow
from ..train.checkpoint import load_checkpoint
from ..train.flow_loop import load_flow
from ..train.joint import train_joint

BEFORE = "no-joint"
TABLE = {
    "aligned": ("r1", "r10"),
    "ground_to_satellite": ("fd_gfm", "layout_miou", "r1", "consistency"),
    "satellite_to_ground": ("fd_gfm", "layout_miou", "r1", "consistency"),
}
HEADINGS = {"aligned": "retrieval", "ground_to_satellite": "G2S", "satellite_to_ground": "S2G"}


@dataclass(frozen=True)
class Grid:
    """beta 0 is without the consistency loss, whatever tau_kl."""

    betas: tuple[float, ...]
    taus: tuple[float, ...]
    seeds: tuple[int, ...]

    def variants(self) -> dict[str, tuple[float, float]]:
        """Systems by name, with their beta and tau_kl."""
        made = {f"joint beta {b:g} tau {t:g}": (b, t) for b, t in itertools.product(self.betas, self.taus) if b > 0}
        return ({"no-kl": (0.0, self.taus[0])} if 0 in self.betas else {}) | made


def study_joint(
    config: Config, world: Path, run: Path, out: Path, grid: Grid, minutes: float, data: Path, segmenter_data: Path | None, limit: int
) -> list[dict]:
    """Rows of every system, the mean over seeds with `sd` and `seeds`; also written to out/joint.json, and as a table to out/joint.md. Goes on
    where it stopped. run: with the stages up to geoflow. data: the split to score on, of cities that no training saw."""
    out.mkdir(parents=True, exist_ok=True)
    layouts = Layouts.train(segmenter_data, config.geometry) if segmenter_data is not None else None
    features = GeometryFeatures(config, load_checkpoint(run / "gfm.pt")["model"])

    def score(parts: RunParts, flow: GeoFlow, system: str) -> list[dict]:
        view_set = read_view_set(data)
        pairs = read_pairs(view_set, parts.embedder, config.rae.size_px, limit)
        judge = Judge(view_set.folder.name, parts.embedder, features, read_gallery(view_set, parts.embedder), layouts)
        found = judge.recall_rows(system, "aligned", judge.embed(list(pairs.canvases), False), pairs)
        rows = [row | {"task": "retrieval"} for row in found]
        synthesize = parts.flow_system(flow)
        return rows + [row for way in DIRECTIONS for row in judge.rows(system, way, synthesize(pairs, way), pairs)]

    rows = _kept(out / f"{BEFORE}.json", lambda: score(load_parts(config, run), load_flow("geoflow", config, run), BEFORE))
    merge_report(out / "joint.json", rows)
    for system, (beta, tau) in grid.variants().items():
        of_seeds = []
        for seed in grid.seeds:
            t = dataclasses.replace(config.joint_training, beta=beta, tau_kl=tau, seed=seed, minutes=minutes)
            folder = out / f"{system.replace(' ', '-')}-seed-{seed}"
            train_joint(dataclasses.replace(config, joint_training=t), world, run, resume=True, out=folder)
            state = load_checkpoint(folder / "joint.pt")
            flow = GeoFlow(config).eval().requires_grad_(False)
            flow.load_state_dict(state["flow"])
            parts = load_parts(config, run, state["head"])
            name = f"rows-{state['step']}.json"  # of these weights
            of_seeds.append(_kept(folder / name, lambda p=parts, f=flow, s=system: score(p, f, s)))
        rows += over_seeds(of_seeds)
        merge_report(out / "joint.json", rows)
        (out / "joint.md").write_text(markdown(rows))
    return rows


def _kept(file: Path, make: Callable[[], list[dict]]) -> list[dict]:
    if not file.exists():
        write_report(file, make())
    return json.loads(file.read_text())


def over_seeds(reports: list[list[dict]]) -> list[dict]:
    """The same rows of several seeds as one: mean, standard deviation, and for more than one seed the mean's interval from their spread."""
    rows = []
    for same in zip(*reports, strict=True):
        values = np.array([row["value"] for row in same])
        sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        half = 1.96 * sd / len(values) ** 0.5
        row = same[0] | {"value": round(float(values.mean()), 4), "sd": round(sd, 4), "seeds": len(values)}
        rows.append(row | ({"ci95": [round(row["value"] - half, 4), round(row["value"] + half, 4)]} if len(values) > 1 else {}))
    return rows


def markdown(rows: list[dict]) -> str:
    """A line a system, with the spread of its seeds; the rows' columns that there are."""
    cells = {(row["system"], row["condition"], row["metric"]): row for row in rows}
    systems = list(dict.fromkeys(row["system"] for row in rows))
    columns = [(c, m) for c, metrics in TABLE.items() for m in metrics if any((s, c, m) in cells for s in systems)]
    lines = ["| system | " + " | ".join(f"{HEADINGS[c]} {m}" for c, m in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for system in systems:
        found = [cells.get((system, *column)) for column in columns]
        texts = ["" if row is None else f"{row['value']:.4g}" + (f" ± {row['sd']:.2g}" if row.get("seeds", 1) > 1 else "") for row in found]
        lines.append(f"| {system} | " + " | ".join(texts) + " |")
    return "\n".join(lines) + "\n"
