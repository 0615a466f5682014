"""A run's log as a picture: losses and validation against minutes."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PANELS = {
    "gfm.jsonl": (("loss", "val_relative_range", "points"), "geometry model"),
    "geomap.jsonl": (("loss", "batch_r1"), "embedding: training"),
    "rae.jsonl": (("pixels", "perceptual"), "decoder of latents"),
    "geoflow.jsonl": (("loss", "val_loss"), "flow"),
    "joint.jsonl": (("l_gl", "l_ig", "l_kl"), "embedding and flow together"),
    "validation": (("val_r1", "val_r10", "val_hit", "val_photo_r10"), "embedding: validation, %"),
}


def plot_run(run: Path) -> Path:
    """Write plot.png into the run folder from its logs; stages that have none are left out."""
    panels = []
    for name, (keys, title) in PANELS.items():
        path = run / ("geomap.jsonl" if name == "validation" else name)
        if path.exists():
            panels.append((title, keys, [json.loads(line) for line in path.read_text().splitlines()]))
    if not panels:
        raise FileNotFoundError(f"{run.name}: no log to plot; run a stage first")
    figure, axes = plt.subplots(1, len(panels), figsize=(5 * len(panels), 3.6), squeeze=False)
    for axis, (title, keys, lines) in zip(axes[0], panels, strict=True):
        for key in keys:
            points = [(line["seconds"] / 60, line[key]) for line in lines if key in line]
            if points:
                axis.plot(*zip(*points, strict=True), label=key, marker="." if len(points) < 30 else "")
        axis.set(title=title, xlabel="minutes")
        if axis.lines:
            axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    target = run / "plot.png"
    figure.savefig(target, dpi=90)
    plt.close(figure)
    return target
