"""`python -m geo2.export RUN --out DIR`: a trained run to ONNX graphs, golden samples and a manifest.

Parameters are rounded to fp16 first; whatever fp16 holds exactly is stored so, behind a Cast. Everything is computed in fp32, and the
golden samples come from the rounded torch model.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from .config import Config, parse_config
from .data.canvas import limit_field_of_view, place_photo
from .manifest import DEFAULT_CALIBRATION, build_manifest, file_facts, graph_entry, write_manifest
from .models.geomap import GeoMap
from .train.checkpoint import load_checkpoint

OPSET = 20
TOLERANCE = 1e-4
SMALL = 1024
"""Tensors with fewer values stay fp32: norms, biases, positions of few tokens."""


class GroundGraph(nn.Module):
    """What ground.onnx computes: an embedding of each hypothesis, and one for a camera at the tile's centre, the mean of the nearest."""

    def __init__(self, model: GeoMap) -> None:
        super().__init__()
        self.model = model
        nearest = min(math.hypot(h.right_m, h.ahead_m) for h in model.hypotheses)
        central = [h.turn_deg == 0 and math.hypot(h.right_m, h.ahead_m) < nearest + 1e-6 for h in model.hypotheses]
        self.register_buffer("central", torch.tensor(central, dtype=torch.float32)[:, None], persistent=False)  # [K, 1]

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        hypotheses = self.model.ground(image, mask)  # [B, K, D]
        return nn.functional.normalize((hypotheses * self.central).sum(1), dim=-1), hypotheses


class SatelliteGraph(nn.Module):
    """What satellite.onnx computes."""

    def __init__(self, model: GeoMap) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (self.model.satellite(image),)


def load_trained(run: Path) -> tuple[GeoMap, Config, dict]:
    """The embedding model of a run, with its configuration and the last lines of its log."""
    state = load_checkpoint(run / "geomap.pt")
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


def write_golden(folder: Path, cases: list[tuple[str, dict[str, np.ndarray], dict[str, np.ndarray]]]) -> None:
    """golden.json and its raw little-endian tensors: (graph, inputs, outputs) each."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = [
        {
            "graph": graph,
            "inputs": {name: _blob(folder, f"{graph}.{name}.bin", values) for name, values in inputs.items()},
            "outputs": {name: _blob(folder, f"{graph}.{name}.bin", values) for name, values in outputs.items()},
        }
        for graph, inputs, outputs in cases
    ]
    (folder / "golden.json").write_text(json.dumps({"cases": entries}, indent=2) + "\n")


def onnx_session(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """A CPU session; threads 0 means all cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@torch.inference_mode()
def export_model(model: GeoMap, config: Config, out: Path, version: str, training: dict) -> dict:
    """Write the graphs, golden samples and manifest; returns the largest difference torch - onnxruntime of each graph.

    ValueError when one exceeds the tolerance.
    """
    out.mkdir(parents=True, exist_ok=True)
    round_weights(model)
    canvases, masks, tiles = golden_inputs(config)
    cases = [
        ("ground", GroundGraph(model), {"image": canvases, "mask": masks}, ["embedding", "hypotheses"]),
        ("satellite", SatelliteGraph(model), {"image": tiles}, ["embedding"]),
    ]
    golden, graphs, differences = [], {}, {}
    for name, module, inputs, outputs in cases:
        tensors = {key: torch.from_numpy(values) for key, values in inputs.items()}
        export_graph(module, out / f"{name}.onnx", {key: value[:2] for key, value in tensors.items()}, outputs)
        expected = dict(zip(outputs, (value.numpy() for value in module(*tensors.values())), strict=True))
        answered = onnx_session(out / f"{name}.onnx").run(outputs, inputs)
        differences[name] = max(float(np.abs(a - b).max()) for a, b in zip(answered, expected.values(), strict=True))
        if not differences[name] <= TOLERANCE:
            raise ValueError(f"{name}: torch and onnxruntime differ by {differences[name]:.2e}, expected at most {TOLERANCE}")
        golden.append((name, inputs, expected))
        graphs[name] = graph_entry(
            f"{name}.onnx",
            [(key, "uint8", list(values.shape[1:])) for key, values in inputs.items()],
            [(key, "float32", list(values.shape[1:])) for key, values in expected.items()],
        )
    write_golden(out / "golden", golden)
    manifest = build_manifest(config, version, graphs, model.hypotheses, DEFAULT_CALIBRATION, training, file_facts(out))
    write_manifest(out, manifest)
    return differences


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m geo2.export", description="Export a trained run as a released model.")
    parser.add_argument("run", type=Path, help="run folder with gfm.pt and geomap.pt")
    parser.add_argument("--out", type=Path, required=True, help="folder that receives the model (one version)")
    parser.add_argument("--version", default="0.1.0", help="semantic version (default 0.1.0)")
    args = parser.parse_args(argv)
    try:
        model, config, progress = load_trained(args.run)
        validation = [json.loads(line) for line in (args.run / "geomap.jsonl").read_text().splitlines()]
        validation = [line for line in validation if "val_r1" in line]
        training = {"world": config.world, "worldSeed": config.seed, "geomap": progress, "validation": validation[-1] if validation else None}
        differences = export_model(model, config, args.out, args.version, training)
    except (FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"export: {error}\n")
        return 1
    for name, difference in differences.items():
        size = (args.out / f"{name}.onnx").stat().st_size
        print(f"{name}.onnx: {size / 1e6:.1f} MB, torch - onnxruntime {difference:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
