"""A grid of what synthesis makes beside the truth, and the round trip's error against steps."""

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from ..config import load_config
from ..data.view_set import read_view_set
from .embedder import Embedder
from .synthesis import Pairs, our_system, read_pairs, resize_all, round_trip_rows
from .synthesizer import Synthesizer

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PLACES = 6
MARGIN_PX, LABEL_PX = 4, 14
PICTURE_QUALITY = 88


def draw_pictures(
    model: Path, folder: Path, out: Path, train: Path | None, train_limit: int, config: Path | None = None, run: Path | None = None
) -> list[Path]:
    """Write grids of both directions (one place a row) and the round trip's plot into a folder; returns the files. train: a split from which the
    nearest neighbour is shown. config, run: of whose rivals those are shown that have been trained."""
    from ..baselines.nearest_neighbour import nearest_neighbour
    from ..baselines.rivals import KINDS, load_rival

    embedder, synthesizer = Embedder(model), Synthesizer(model)
    pairs = read_pairs(read_view_set(folder), embedder, synthesizer.size_px, PLACES)
    systems = {"geo2-mini": our_system(synthesizer)}
    if train is not None:
        systems["nearest neighbour"] = nearest_neighbour(read_pairs(read_view_set(train), embedder, synthesizer.size_px, train_limit))
    if config is not None and run is not None:
        for kind in KINDS:
            try:
                systems[kind] = load_rival(kind, load_config(config), run)
            except FileNotFoundError as error:
                print(f"{kind}: left out, {error}")
    out.mkdir(parents=True, exist_ok=True)
    files = [out / "ground-to-satellite.jpg", out / "satellite-to-ground.jpg", out / "round-trip.png"]
    _grid(files[0], "ground_to_satellite", systems, pairs)
    _grid(files[1], "satellite_to_ground", systems, pairs)
    rows = round_trip_rows(embedder.name, folder.name, synthesizer, pairs)
    _plot_round_trip(files[2], rows, synthesizer)
    return files


def _grid(path: Path, direction: str, systems: dict[str, Callable[[Pairs, str], np.ndarray]], pairs: Pairs) -> None:
    forth = direction == "ground_to_satellite"
    source, truth = (pairs.canvases, pairs.tiles) if forth else (pairs.tiles, pairs.canvases)
    columns = {"source": list(source)}
    columns |= {name: resize_all(system(pairs, direction), truth.shape[1:3]) for name, system in systems.items()}
    columns |= {"truth": list(truth)}
    height = max(pictures[0].shape[0] for pictures in columns.values())
    widths = [pictures[0].shape[1] for pictures in columns.values()]
    grid = Image.new("RGB", (sum(widths) + MARGIN_PX * (len(widths) - 1), LABEL_PX + len(pairs) * (height + MARGIN_PX)), "white")
    pen = ImageDraw.Draw(grid)
    left = 0
    for (name, pictures), width in zip(columns.items(), widths, strict=True):
        pen.text((left + 2, 1), name, fill="black")
        for row, picture in enumerate(pictures):
            top = LABEL_PX + row * (height + MARGIN_PX) + (height - picture.shape[0]) // 2
            grid.paste(Image.fromarray(picture), (left, top))
        left += width + MARGIN_PX
    grid.save(path, quality=PICTURE_QUALITY)


def _plot_round_trip(path: Path, rows: list[dict], synthesizer: Synthesizer) -> None:
    steps = [int(row["condition"].split("_")[2]) for row in rows]
    figure, axis = plt.subplots(figsize=(5, 3.4))
    axis.loglog(steps, [row["value"] for row in rows], marker="o")
    axis.set(xlabel=f"steps of {synthesizer.solver}, each way", ylabel="relative error of the latent", title="ground, satellite, ground")
    axis.grid(alpha=0.3, which="both")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)
