"""`python -m geo2.export RUN --out DIR`: a trained run to ONNX graphs, golden samples and a manifest. A run without `geoflow.pt` gives a model
without synthesis. With `--geomap-from` the embedding, its calibration and its golden samples are those of a released model, byte for byte.

Parameters are rounded to fp16 first; whatever fp16 holds exactly is stored so, behind a Cast. Everything is computed in fp32, and the
golden samples come from the rounded torch model.
"""

import argparse
import json
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from .config import Config, parse_config
from .data.canvas import limit_field_of_view, place_photo
from .data.pairs import ground_square, to_square
from .flow.field import ConditionedField
from .flow.network import GeoFlow
from .flow.solver import SOLVERS, integrate
from .manifest import DEFAULT_CALIBRATION, build_manifest, file_facts, graph_entry, latent_entry, read_manifest, write_manifest
from .models.geomap import GeoMap, Hypothesis
from .models.rae import LatentDecoder, LatentEncoder, build_rae, to_pixels
from .train.checkpoint import load_checkpoint

OPSET = 20
TOLERANCE = 1e-4
DIRECTIONS = {"ground_to_satellite": (0.0, 1.0), "satellite_to_ground": (1.0, 0.0)}
"""Flow time at the start and at the end."""
SMALL = 1024
"""Tensors with fewer values stay fp32: norms, biases, positions of few tokens."""


class GroundGraph(nn.Module):
    """What ground.onnx computes: an embedding of each hypothesis, and one for a camera at the tile's centre, the mean of the nearest."""

    def __init__(self, model: GeoMap) -> None:
        super().__init__()
        self.model = model
        n = len(model.head.offsets_m)
        first = next(i for i, h in enumerate(model.hypotheses) if h.turn_deg == 0)
        self.straight = slice(first, first + n)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        hypotheses = self.model.ground(image, mask)  # [B, K, D]
        return self.model.head.at_centre(hypotheses[:, self.straight]), hypotheses


class SatelliteGraph(nn.Module):
    """What satellite.onnx computes."""

    def __init__(self, model: GeoMap) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (self.model.satellite(image),)


def load_trained(run: Path) -> tuple[GeoMap, Config, dict]:
    """The embedding model of a run, of stage `joint` where that has run, with its configuration and how long it was trained."""
    state = load_checkpoint(run / ("joint.pt" if (run / "joint.pt").exists() else "geomap.pt"))
    config = parse_config(state["config"])
    model = GeoMap(config)
    model.frozen.gfm.load_state_dict(load_checkpoint(run / "gfm.pt")["model"])
    model.frozen.cnn.load_imagenet()
    model.head.load_state_dict(state["head"])
    return model.eval(), config, {"steps": state["step"], "seconds": round(state["spent"])}


@torch.no_grad()
def round_weights(model: nn.Module) -> None:
    """Parameters of SMALL values or more to the nearest fp16."""
    for parameter in model.parameters():
        if parameter.numel() >= SMALL:
            parameter.copy_(parameter.half().float())


def store_half(path: Path) -> None:
    """Initializers that fp16 holds exactly are stored as fp16 behind a Cast."""
    model = onnx.load(path)
    kept, casts = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.FLOAT and values.size >= SMALL:
            with np.errstate(over="ignore"):
                half = values.astype(np.float16)
            if np.array_equal(half.astype(np.float32), values):
                kept.append(numpy_helper.from_array(half, f"{tensor.name}.fp16"))
                casts.append(helper.make_node("Cast", [f"{tensor.name}.fp16"], [tensor.name], to=TensorProto.FLOAT))
                continue
        kept.append(tensor)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    del model.graph.value_info[:]
    strip_notes(model)
    onnx.save(model, path)


def strip_notes(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes of the code's place on the machine that ran it."""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output, *model.functions):
        part.doc_string = ""
        del part.metadata_props[:]


def export_graph(module: nn.Module, path: Path, inputs: dict[str, Tensor], outputs: list[str]) -> None:
    """One graph with a dynamic batch and fixed everything else."""
    batch = torch.export.Dim("batch", min=1, max=1024)
    torch.onnx.export(
        module.eval(),
        tuple(inputs.values()),
        str(path),
        input_names=list(inputs),
        output_names=outputs,
        dynamic_shapes=tuple({0: batch} for _ in inputs),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    store_half(path)


def golden_inputs(config: Config) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth random pictures: canvases uint8 [3, H, W, 3] (whole, a photo, a narrow one), masks [3, H, W], tiles [2, S, S, 3]."""
    g = config.geometry
    rng = np.random.default_rng(7)

    def picture(rows: int, columns: int) -> np.ndarray:
        coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, max(2, rows // 12), max(2, columns // 12))))
        return nn.functional.interpolate(coarse, (rows, columns), mode="bilinear")[0].permute(1, 2, 0).numpy().astype(np.uint8)

    whole = picture(g.canvas_height_px, g.canvas_width_px)
    everything = np.ones(whole.shape[:2], np.uint8)
    photo, photo_mask = place_photo(picture(144, 192), 75.0, 30.0, g)
    narrow, narrow_mask = limit_field_of_view(whole[:, ::-1].copy(), everything, -100.0, 120.0)
    canvases = np.stack([whole, photo, narrow])
    return canvases, np.stack([everything, photo_mask, narrow_mask]), np.stack([picture(g.tile_px, g.tile_px) for _ in range(2)])


def _blob(folder: Path, name: str, values: np.ndarray) -> dict:
    (folder / name).write_bytes(np.ascontiguousarray(values).tobytes())
    return {"file": name, "dtype": str(values.dtype), "shape": list(values.shape)}


def write_golden(
    folder: Path,
    cases: list[tuple[str, dict[str, np.ndarray], dict[str, np.ndarray]]],
    kept: list[dict],
    solutions: list[tuple[dict, np.ndarray, np.ndarray, np.ndarray]],
) -> None:
    """golden.json and its raw little-endian tensors. cases: (graph, inputs, outputs) each, after the entries in `kept`, whose tensors are there
    already; solutions: settings, condition, start and end of each."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = kept + [
        {
            "graph": graph,
            "inputs": {name: _blob(folder, f"{graph}.{name}.bin", values) for name, values in inputs.items()},
            "outputs": {name: _blob(folder, f"{graph}.{name}.bin", values) for name, values in outputs.items()},
        }
        for graph, inputs, outputs in cases
    ]
    solved = [
        named
        | {"condition": _blob(folder, f"synthesis.{named['direction']}.condition.bin", c)}
        | {"start": _blob(folder, f"synthesis.{named['direction']}.start.bin", start)}
        | {"end": _blob(folder, f"synthesis.{named['direction']}.{named['solver']}.{named['conditionEvery']}.{named['guidance']:g}.end.bin", end)}
        for named, c, start, end in solutions
    ]
    golden = {"cases": entries} | ({"synthesis": solved} if solved else {})
    (folder / "golden.json").write_text(json.dumps(golden, indent=2) + "\n")


def onnx_session(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """A CPU session; threads 0 means all cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class RaeDecoderGraph(nn.Module):
    """What rae-decoder.onnx computes."""

    def __init__(self, decoder: LatentDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, latent: Tensor) -> tuple[Tensor]:
        return (to_pixels(self.decoder(latent)),)


class RaeEncoderGraph(nn.Module):
    """What rae-encoder.onnx computes."""

    def __init__(self, encoder: LatentEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (self.encoder(image),)


class FlowConditionGraph(nn.Module):
    """What flow-condition.onnx computes."""

    def __init__(self, flow: GeoFlow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> tuple[Tensor]:
        return (self.flow.condition(x, t, condition),)


class FlowVelocityGraph(nn.Module):
    """What flow-velocity.onnx computes."""

    def __init__(self, flow: GeoFlow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, x: Tensor, t: Tensor, z: Tensor) -> tuple[Tensor]:
        return (self.flow.velocity(x, t, z),)


@dataclass(frozen=True)
class Synthesis:
    """The trained parts of synthesis. metrics: of their validation."""

    encoder: LatentEncoder
    decoder: LatentDecoder
    flow: GeoFlow
    metrics: dict


def load_synthesis(run: Path, config: Config, stages: tuple[str, ...] = ("joint", "geoflow")) -> Synthesis | None:
    """The flow of the first of `stages` that the run has; None when it has none."""
    last = next((run / f"{stage}.pt" for stage in stages if (run / f"{stage}.pt").exists()), None)
    if last is None:
        return None
    state, rae = load_checkpoint(last), load_checkpoint(run / "rae.pt")
    encoder, decoder = build_rae(config, rae)
    flow = GeoFlow(config)
    flow.load_state_dict(state["flow"])
    metrics = {"rae": rae.get("metrics", {}), last.stem: {"steps": state["step"], "seconds": round(state["spent"])} | state.get("metrics", {})}
    return Synthesis(encoder, decoder, flow.eval(), metrics)


@dataclass
class Release:
    """What is collected while graphs are written: golden samples, entries of the manifest, largest differences torch - onnxruntime."""

    out: Path
    golden: list[tuple[str, dict, dict]] = field(default_factory=list)
    graphs: dict[str, dict] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, module: nn.Module, inputs: dict[str, np.ndarray], outputs: list[str]) -> dict[str, np.ndarray]:
        """Write one graph, named in camelCase, and compare it; returns torch's outputs. ValueError when the difference exceeds the tolerance."""
        file = re.sub(r"(?<=[a-z])([A-Z])", lambda match: f"-{match[1].lower()}", name) + ".onnx"
        tensors = {key: torch.from_numpy(values) for key, values in inputs.items()}
        export_graph(module, self.out / file, {key: value.repeat(2, *[1] * (value.ndim - 1))[:2] for key, value in tensors.items()}, outputs)
        expected = dict(zip(outputs, (value.numpy() for value in module(*tensors.values())), strict=True))
        answered = onnx_session(self.out / file).run(outputs, inputs)
        difference = max(difference_of(a, b) for a, b in zip(answered, expected.values(), strict=True))
        if not difference <= TOLERANCE:
            raise ValueError(f"{name}: torch and onnxruntime differ by {difference:.2e}, expected at most {TOLERANCE}")
        self.differences[name] = difference
        self.golden.append((name, inputs, expected))
        self.graphs[name] = graph_entry(
            file,
            [(key, str(values.dtype), list(values.shape[1:])) for key, values in inputs.items()],
            [(key, str(values.dtype), list(values.shape[1:])) for key, values in expected.items()],
        )
        return expected


def difference_of(answered: np.ndarray, expected: np.ndarray) -> float:
    """Largest absolute difference; of pixels, what exceeds one level, since a last bit before rounding decides between two."""
    difference = float(np.abs(answered.astype(np.float64) - expected.astype(np.float64)).max())
    return max(0.0, difference - 1) if expected.dtype == np.uint8 else difference


def golden_solutions(
    flow: GeoFlow, starts: dict[str, Tensor], conditions: dict[str, Tensor]
) -> list[tuple[dict, np.ndarray, np.ndarray, np.ndarray]]:
    """What every solver gives in both directions, and `heun` with z reused, and guided: settings, c [1, E], start and end [1, C, H, W] each."""
    solutions = []
    settings = [(solver, 4, 0, 1.0) for solver in SOLVERS] + [("heun", 4, 2, 1.0), ("heun", 4, 2, 1.5)]
    for direction, (start, end) in DIRECTIONS.items():
        for solver, steps, every, guidance in settings:
            x, c = starts[direction], conditions[direction]
            moving = ConditionedField(flow.condition, flow.velocity, c, every, guidance)
            reached = integrate(moving, x, start, end, solver, steps, moving.on_step)
            named = {"direction": direction, "solver": solver, "steps": steps, "conditionEvery": every, "guidance": guidance}
            solutions.append((named, c.numpy(), x.numpy(), reached.numpy()))
    return solutions


@torch.inference_mode()
def export_geomap(model: GeoMap, config: Config, release: Release) -> None:
    """The two graphs of the embedding."""
    round_weights(model)
    canvases, masks, tiles = golden_inputs(config)
    release.add("ground", GroundGraph(model), {"image": canvases, "mask": masks}, ["embedding", "hypotheses"])
    release.add("satellite", SatelliteGraph(model), {"image": tiles}, ["embedding"])


@torch.inference_mode()
def export_synthesis(synthesis: Synthesis, config: Config, release: Release) -> list:
    """The four graphs of synthesis; returns the golden solutions. The embedding's graphs are there already."""
    for part in (synthesis.encoder, synthesis.decoder, synthesis.flow):
        round_weights(part.eval())
    canvases, masks, tiles = golden_inputs(config)
    size = config.rae.size_px
    squares = np.stack([ground_square(canvases[0], masks[0], size), to_square(tiles[0], size)])
    latents = release.add("raeEncoder", RaeEncoderGraph(synthesis.encoder), {"image": squares}, ["latent"])["latent"]
    release.add("raeDecoder", RaeDecoderGraph(synthesis.decoder), {"latent": latents}, ["image"])
    ground = onnx_session(release.out / "ground.onnx").run(["embedding"], {"image": canvases[:1], "mask": masks[:1]})[0]
    satellite = onnx_session(release.out / "satellite.onnx").run(["embedding"], {"image": tiles[:1]})[0]
    at = {"x": latents, "t": np.array([0.25, 0.75], np.float32)}
    z = release.add("flowCondition", FlowConditionGraph(synthesis.flow), at | {"condition": np.concatenate([ground, satellite])}, ["z"])["z"]
    release.add("flowVelocity", FlowVelocityGraph(synthesis.flow), at | {"z": z}, ["velocity"])
    first, second = torch.from_numpy(latents).split(1)
    solutions = golden_solutions(
        synthesis.flow,
        {"ground_to_satellite": first, "satellite_to_ground": second},
        {"ground_to_satellite": torch.from_numpy(ground), "satellite_to_ground": torch.from_numpy(satellite)},
    )
    for named, c, start, end in solutions:
        moving = onnx_field(release.out, c, named["conditionEvery"], named["guidance"])
        at_end = integrate(moving, torch.from_numpy(start), *DIRECTIONS[named["direction"]], named["solver"], named["steps"], moving.on_step)
        difference = float(np.abs(at_end.numpy() - end).max())
        if not difference <= TOLERANCE:
            raise ValueError(f"{named}: torch and onnxruntime differ by {difference:.2e} at the end, expected at most {TOLERANCE}")
    return solutions


def onnx_field(folder: Path, condition: np.ndarray, every: int, guidance: float = 1.0) -> ConditionedField:
    """The flow's exported graphs as a velocity field of one condition [B, E]."""
    encode, head = onnx_session(folder / "flow-condition.onnx"), onnx_session(folder / "flow-velocity.onnx")

    def encoded(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        return torch.from_numpy(encode.run(None, {"x": x.numpy(), "t": t.numpy(), "condition": c.numpy()})[0])

    def moved(x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        return torch.from_numpy(head.run(None, {"x": x.numpy(), "t": t.numpy(), "z": z.numpy()})[0])

    return ConditionedField(encoded, moved, torch.from_numpy(condition), every, guidance)


def copy_geomap(released: Path, release: Release) -> tuple[dict, list[dict]]:
    """Take the embedding's graphs and golden samples from a released model; returns its manifest and the golden entries."""
    manifest = read_manifest(released)
    golden = json.loads((released / manifest["golden"]["file"]).read_text())
    entries = [case for case in golden["cases"] if case["graph"] in ("ground", "satellite")]
    (release.out / "golden").mkdir(parents=True, exist_ok=True)
    for name in ("ground", "satellite"):
        release.graphs[name] = manifest["graphs"][name]
        shutil.copyfile(released / manifest["graphs"][name]["file"], release.out / manifest["graphs"][name]["file"])
    for blob in [blob for case in entries for blob in (*case["inputs"].values(), *case["outputs"].values())]:
        shutil.copyfile(released / "golden" / blob["file"], release.out / "golden" / blob["file"])
    return manifest, entries


def export_model(
    model: GeoMap | Path, config: Config, out: Path, version: str, training: dict, synthesis: Synthesis | None = None
) -> dict[str, float]:
    """Write the graphs, golden samples and manifest; returns the largest difference torch - onnxruntime of each new graph. model: the embedding,
    or the folder of a released model to take it from.

    ValueError when a difference exceeds the tolerance.
    """
    out.mkdir(parents=True, exist_ok=True)
    release = Release(out)
    kept: list[dict] = []
    calibration = DEFAULT_CALIBRATION
    if isinstance(model, Path):
        released, kept = copy_geomap(model, release)
        calibration = released["calibration"]
        hypotheses = [Hypothesis(h["turnDeg"], h["rightM"], h["aheadM"]) for h in released["hypotheses"]]
        training = training | {"embeddingFrom": f"{released['name']} {released['version']}"}
        training |= {key: released["training"][key] for key in ("geomap", "validation") if key in released["training"]}
    else:
        export_geomap(model, config, release)
        hypotheses = model.hypotheses
    solutions = export_synthesis(synthesis, config, release) if synthesis is not None else []
    write_golden(out / "golden", release.golden, kept, solutions)
    latent = latent_entry(config, synthesis.metrics) if synthesis is not None else None
    manifest = build_manifest(config, version, release.graphs, hypotheses, calibration, training, file_facts(out), latent)
    write_manifest(out, manifest)
    return release.differences


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m geo2.export", description="Export a trained run as a released model.")
    parser.add_argument("run", type=Path, help="run folder with gfm.pt and geomap.pt, and with rae.pt and geoflow.pt for synthesis")
    parser.add_argument("--out", type=Path, required=True, help="folder that receives the model (one version)")
    parser.add_argument("--version", default="0.1.0", help="semantic version (default 0.1.0)")
    parser.add_argument("--geomap-from", type=Path, help="released model whose embedding and calibration are kept, byte for byte")
    args = parser.parse_args(argv)
    try:
        if args.geomap_from is not None:
            config = parse_config(load_checkpoint(args.run / "geoflow.pt")["config"])
            model, training = args.geomap_from, {"world": config.world, "worldSeed": config.seed}
        else:
            model, config, progress = load_trained(args.run)
            validation = [json.loads(line) for line in (args.run / "geomap.jsonl").read_text().splitlines()]
            validation = [line for line in validation if "val_r1" in line]
            training = {"world": config.world, "worldSeed": config.seed, "geomap": progress, "validation": validation[-1] if validation else None}
        stages = ("geoflow",) if args.geomap_from is not None else ("joint", "geoflow")  # a joint flow belongs to the embedding beside it
        differences = export_model(model, config, args.out, args.version, training, load_synthesis(args.run, config, stages))
    except (FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"export: {error}\n")
        return 1
    manifest = read_manifest(args.out)
    for name, difference in differences.items():
        file = manifest["graphs"][name]["file"]
        print(f"{file}: {(args.out / file).stat().st_size / 1e6:.1f} MB, torch - onnxruntime {difference:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
