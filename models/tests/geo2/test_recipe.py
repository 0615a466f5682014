"""The stages on the tiny world: they learn, stop, resume, export, and what they export is what they trained."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from geo2 import export
from geo2.baselines.__main__ import main as rival
from geo2.baselines.rivals import train_rival
from geo2.config import load_config, parse_config, to_dict
from geo2.data.pairs import to_square
from geo2.evaluate import segmenter
from geo2.evaluate.__main__ import main as evaluate
from geo2.evaluate.embedder import Embedder
from geo2.evaluate.report import COLUMNS, write_report
from geo2.evaluate.retrieval import CONDITIONS, evaluate_split
from geo2.flow.network import GeoFlow
from geo2.flow.solver import SOLVERS, integrate
from geo2.studies.__main__ import main as study
from geo2.train.__main__ import STAGES, minutes_of
from geo2.train.__main__ import main as train
from geo2.train.checkpoint import load_checkpoint
from geo2.train.plot import plot_run
from geo2.train.warm_start import write_flow_start, write_warm_start
from null_island.build import build_world
from null_island.config import load_config as load_world_config

CONFIGS = Path(__file__).parents[2] / "configs"
SPLITS = ["train", "val", "cross_area", "pretrain"]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("world")
    build_world(load_world_config(CONFIGS / "null_island/tiny.yaml"), 11, out, SPLITS, 2)
    return out


@pytest.fixture(scope="module")
def run(world, tmp_path_factory) -> Path:
    """A run with all stages, each interrupted once by its budget and resumed with a larger one."""
    out = tmp_path_factory.mktemp("run")
    common = ["--config", str(CONFIGS / "geo2/tiny.yaml"), "--data", str(world), "--out", str(out)]
    for stage in STAGES:
        assert train([stage, *common, "--time-budget", "1s"]) == 0
        first = load_checkpoint(out / f"{stage}.pt")
        assert train([stage, *common, "--time-budget", f"{first['spent'] + 2:.1f}s", "--resume"]) == 0
        assert load_checkpoint(out / f"{stage}.pt")["step"] > first["step"] > 0
    return out


@pytest.fixture(scope="module")
def released(run, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("released") / "0.0.1"
    assert export.main([str(run), "--out", str(out), "--version", "0.0.1"]) == 0
    return out


def test_all_stages_learn_and_log(run):
    for stage in STAGES:
        lines = [json.loads(line) for line in (run / f"{stage}.jsonl").read_text().splitlines()]
        assert any(name.startswith("val_") for line in lines for name in line), stage
        assert all(np.isfinite(v) for line in lines for v in line.values() if isinstance(v, float))
    assert plot_run(run).stat().st_size > 5_000


def test_another_run_starts_from_the_weights_that_a_run_left(run, world, tmp_path, capsys):
    file, other = tmp_path / "start.pt", tmp_path / "other"
    write_warm_start(run, file)
    arguments = ["geomap", "--config", str(CONFIGS / "geo2/tiny.yaml"), "--data", str(world), "--out", str(other), "--init", str(file)]
    assert train([*arguments, "--time-budget", "1s"]) == 0
    left, started = load_checkpoint(run / "geomap.pt")["head"], load_checkpoint(other / "geomap.pt")["head"]
    names = [name for name, value in left.items() if value.is_floating_point()]
    moved = torch.cat([(started[name] - left[name]).flatten() for name in names]).norm()
    assert moved / torch.cat([left[name].flatten() for name in names]).norm() < 0.3, "random weights would be farther away than 1"
    assert train([*arguments, "--time-budget", "1s"]) == 1
    assert "go on with --resume" in capsys.readouterr().err
    assert train([*arguments[:-1], str(tmp_path / "nothing.pt"), "--time-budget", "1s"]) == 1
    assert "nothing.pt: not found" in capsys.readouterr().err


def test_another_run_takes_autoencoder_and_flow_from_the_files_that_a_run_left(run, world, tmp_path, capsys):
    rae, flow, other = tmp_path / "rae.pt", tmp_path / "flow.pt", tmp_path / "other"
    write_flow_start(run, rae, flow)
    other.mkdir()
    for name in ("gfm.pt", "geomap.pt"):
        shutil.copyfile(run / name, other / name)
    common = ["--config", str(CONFIGS / "geo2/tiny.yaml"), "--data", str(world), "--out", str(other), "--time-budget", "0.2s"]
    assert train(["geoflow", *common, "--init", str(rae)]) == 1
    assert "rae.pt: holds no flow" in capsys.readouterr().err
    assert train(["rae", *common, "--init", str(rae)]) == 0 and train(["geoflow", *common, "--init", str(flow)]) == 0
    left, started = load_checkpoint(run / "rae.pt"), load_checkpoint(other / "rae.pt")
    assert started["mean"].equal(left["mean"]) and started["std"].equal(left["std"])
    bias = "blocks.0.bias"
    moved = load_checkpoint(other / "geoflow.pt")["flow"][bias] - load_checkpoint(run / "geoflow.pt")["flow"][bias]
    fresh = GeoFlow(load_config(CONFIGS / "geo2/tiny.yaml")).state_dict()[bias] - load_checkpoint(run / "geoflow.pt")["flow"][bias]
    assert moved.norm() < 0.7 * fresh.norm()


def test_a_finished_stage_returns_at_once(run, world, capsys):
    arguments = ["gfm", "--config", str(CONFIGS / "geo2/tiny.yaml"), "--data", str(world), "--out", str(run), "--resume", "--time-budget", "1s"]
    assert train(arguments) == 0
    assert "finished already" in capsys.readouterr().out


def test_a_stage_without_the_one_before_it_says_so(world, tmp_path, capsys):
    arguments = ["geomap", "--config", str(CONFIGS / "geo2/tiny.yaml"), "--data", str(world), "--out", str(tmp_path)]
    assert train(arguments) == 1
    assert "gfm.pt" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "minutes"), [("90m", 90), ("1.5h", 90), ("30s", 0.5), ("7", 7)])
def test_durations(text, minutes):
    assert minutes_of(text) == minutes


def test_a_wrong_duration_is_a_usage_error(world, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        train(["gfm", "--config", str(CONFIGS / "geo2/tiny.yaml"), "--data", str(world), "--out", str(tmp_path), "--time-budget", "soon"])
    assert stopped.value.code == 2


def test_the_export_holds_what_was_trained(run, released):
    model, config, _ = export.load_trained(run)
    export.round_weights(model)
    canvases, masks, tiles = export.golden_inputs(config)
    embedder = Embedder(released)
    with torch.inference_mode():
        ground = model.ground(torch.from_numpy(canvases), torch.from_numpy(masks)).numpy()
        satellite = model.satellite(torch.from_numpy(tiles)).numpy()
    assert np.abs(embedder.ground(list(canvases), list(masks)) - ground).max() < 1e-4
    assert np.abs(embedder.satellite(list(tiles)) - satellite).max() < 1e-4
    assert np.linalg.norm(ground, axis=-1) == pytest.approx(np.ones(ground.shape[:2]), abs=1e-5)
    assert ground.shape[1] == len(embedder.manifest["hypotheses"]) == len(embedder.turns_deg)


def test_the_one_embedding_of_a_ground_view_is_the_mean_of_the_hypotheses_around_the_centre(run, released):
    canvases, masks, _ = export.golden_inputs(load_config(CONFIGS / "geo2/tiny.yaml"))
    embedding, hypotheses = export.onnx_session(released / "ground.onnx").run(None, {"image": canvases, "mask": masks})
    central = hypotheses[:, [5, 6, 9, 10]].sum(1)
    assert embedding == pytest.approx(central / np.linalg.norm(central, axis=1, keepdims=True), abs=1e-5)


def test_the_export_takes_any_batch_and_stores_weights_as_fp16(released):
    embedder = Embedder(released)
    canvas, mask = np.zeros((96, 384, 3), np.uint8), np.ones((96, 384), np.uint8)
    one, three = embedder.ground([canvas], [mask]), embedder.ground([canvas] * 3, [mask] * 3)
    assert np.abs(three - one).max() < 1e-5
    graph = onnx.load(released / "ground.onnx")
    assert any(t.data_type == onnx.TensorProto.FLOAT16 for t in graph.graph.initializer)
    assert graph.opset_import[0].version <= 23 and graph.ir_version <= 13
    assert not any(node.op_type == "If" for node in graph.graph.node)


def test_the_manifest_lists_every_file_with_its_hash(released):
    manifest = json.loads((released / "manifest.json").read_text())
    listed = {entry["path"] for entry in manifest["files"]}
    assert listed == {p.relative_to(released).as_posix() for p in released.rglob("*") if p.is_file()} - {"manifest.json"}
    assert manifest["golden"]["tolerance"] == 1e-4
    assert manifest["training"]["config"]["world"] == "tiny"


def solved(released: Path) -> list[dict]:
    return json.loads((released / "golden" / "golden.json").read_text())["synthesis"]


def blob(released: Path, entry: dict) -> np.ndarray:
    return np.fromfile(released / "golden" / entry["file"], entry["dtype"]).reshape(entry["shape"])


def test_the_golden_solutions_are_those_of_the_exported_graphs(released):
    entries = solved(released)
    assert {(e["direction"], e["solver"], e["conditionEvery"], e["guidance"]) for e in entries} == {
        (direction, *solver) for direction in export.DIRECTIONS for solver in [*((name, 0, 1) for name in SOLVERS), ("heun", 2, 1), ("heun", 2, 1.5)]
    }
    for entry in entries:
        field = export.onnx_field(released, blob(released, entry["condition"]), entry["conditionEvery"], entry["guidance"])
        start, end = export.DIRECTIONS[entry["direction"]]
        x = torch.from_numpy(blob(released, entry["start"]))
        reached = integrate(field, x, start, end, entry["solver"], entry["steps"], field.on_step).numpy()
        assert np.abs(reached - blob(released, entry["end"])).max() < 1e-4, entry
        assert np.abs(reached - x.numpy()).max() > 0.01, "a flow that stays says nothing"


def test_the_released_latent_is_normalised_and_comes_back_as_pixels(released, world):
    manifest = json.loads((released / "manifest.json").read_text())
    latent, size = manifest["latent"], manifest["latent"]["sizePx"]
    tiles = [to_square(np.asarray(Image.open(p)), size) for p in sorted((world / "train/images").glob("tile_*.jpg"))[:32]]
    encoded = export.onnx_session(released / "rae-encoder.onnx").run(None, {"image": np.stack(tiles)})[0]
    assert encoded.shape[1:] == (latent["channels"], latent["heightCells"], latent["widthCells"])
    assert 0.5 < encoded.std() < 2 and abs(encoded.mean()) < 0.5
    decoded = export.onnx_session(released / "rae-decoder.onnx").run(None, {"latent": encoded * 9})[0]
    assert decoded.dtype == np.uint8 and decoded.shape == (32, size, size, 3)


def test_an_export_may_keep_the_embedding_of_a_release_to_the_byte(run, released, tmp_path):
    assert export.main([str(run), "--out", str(tmp_path), "--version", "0.0.2", "--geomap-from", str(released)]) == 0
    for name in ("ground.onnx", "satellite.onnx", "golden/ground.embedding.bin"):
        assert (tmp_path / name).read_bytes() == (released / name).read_bytes()
    kept, new = (json.loads((folder / "manifest.json").read_text()) for folder in (released, tmp_path))
    assert new["calibration"] == kept["calibration"] and new["hypotheses"] == kept["hypotheses"]
    assert new["training"]["embeddingFrom"] == "geo2-mini 0.0.1"
    assert {case["graph"] for case in json.loads((tmp_path / "golden/golden.json").read_text())["cases"]} == set(new["graphs"])


def test_retrieval_of_a_split_gives_rows_of_every_condition(released, world):
    rows = evaluate_split(Embedder(released), world / "cross_area", "cross_area")
    conditions = {row["condition"] for row in rows}
    assert conditions >= {"aligned", "unknown_heading", "fov90", "photo", "aligned_near300"}
    assert conditions <= {condition.name for condition in CONDITIONS}
    for row in rows:
        assert 0 <= row["value"] <= 100
        assert row["ci95"][0] <= row["value"] <= row["ci95"][1]


@pytest.fixture(scope="module")
def features(run, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("features") / "gfm.pt"
    write_warm_start(run, file)
    return file


DIRECTIONS = {"ground_to_satellite", "satellite_to_ground"}


def test_synthesis_of_a_split_gives_rows_of_both_directions_the_round_trip_and_what_bounds_them(released, world, features, tmp_path, monkeypatch):
    monkeypatch.setattr(segmenter, "STEPS", 2)
    arguments = ["synthesis", "--model", str(released), "--data", str(world / "cross_area"), "--out", str(tmp_path / "report.json")]
    assert evaluate([*arguments, "--features", str(features), "--segmenter-data", str(world / "train")]) == 0
    rows = json.loads((tmp_path / "report.json").read_text())
    of_ours = {(row["condition"], row["metric"]): row["value"] for row in rows if row["system"] == "geo2-mini"}
    for direction in DIRECTIONS:
        assert {m for c, m in of_ours if c == direction} == {"psnr", "ssim", "fd_gfm", "consistency", "r1", "r10", "layout_miou"}
        assert -1 <= of_ours[direction, "consistency"] <= 1 and 0 <= of_ours[direction, "r1"] <= 100
    errors = [of_ours[f"round_trip_{steps}_heun", "relative_latent_error"] for steps in (5, 10, 25, 50)]
    assert errors[0] > errors[-1] >= 0
    assert {row["system"] for row in rows} == {"geo2-mini", "reconstruction", "real-view", "chance"}
    assert all(np.isfinite(row["value"]) for row in rows)


RIVALS = {"nearest-neighbour", "regression", "flow-per-direction", "no-joint", "no-kl"}


@pytest.fixture(scope="module")
def rivals(run, released, world, features, tmp_path_factory) -> list[dict]:
    """All of them by one command, with a row of another system in the report before."""
    report = tmp_path_factory.mktemp("rivals") / "report.json"
    other = dict(zip(COLUMNS, ("geo2-mini", "synthesis", "cross_area", "ground_to_satellite", "psnr", 1.0, 1, [1.0, 1.0]), strict=True))
    write_report(report, [other])
    arguments = ["--model", str(released), "--data", str(world / "cross_area"), "--world", str(world), "--features", str(features)]
    trained = ["--config", str(CONFIGS / "geo2/tiny.yaml"), "--run", str(run), "--time-budget", "1s"]
    for _ in range(2):
        assert rival(["all", *arguments, *trained, "--out", str(report)]) == 0
    rows = json.loads(report.read_text())
    assert rows[0] == other
    return rows[1:]


def test_every_rival_is_trained_and_scored_once_by_one_command(rivals):
    assert {(row["system"], row["condition"]) for row in rivals} == {(kind, direction) for kind in RIVALS for direction in DIRECTIONS}
    assert len({(row["system"], row["condition"], row["metric"]) for row in rivals}) == len(rivals)
    assert {"fd_gfm", "psnr", "ssim", "r1", "consistency"} <= {row["metric"] for row in rivals}
    assert all(np.isfinite(row["value"]) for row in rivals)
    psnr = {row["system"]: row["value"] for row in rivals if (row["condition"], row["metric"]) == ("ground_to_satellite", "psnr")}
    assert len(set(psnr.values())) == len(RIVALS), "each makes pictures of its own"


def test_a_rival_goes_on_where_it_stopped(run, rivals, world):
    before = load_checkpoint(run / "regression.pt")
    config = load_config(CONFIGS / "geo2/tiny.yaml")
    train_rival("regression", config, world, run, (before["spent"] + 1.5) / 60)
    after = load_checkpoint(run / "regression.pt")
    assert after["step"] > before["step"] and after["spent"] > before["spent"]


def test_the_pictures_are_drawn_by_a_command_with_every_rival_that_is_there(run, rivals, released, world, tmp_path, capsys):
    arguments = ["pictures", "--model", str(released), "--data", str(world / "cross_area"), "--train", str(world / "train")]
    assert evaluate([*arguments, "--out", str(tmp_path), "--config", str(CONFIGS / "geo2/tiny.yaml"), "--run", str(run)]) == 0
    widths = {name: Image.open(tmp_path / f"{name}.jpg").width for name in ("ground-to-satellite", "satellite-to-ground")}
    columns = 2 + len(RIVALS)  # ours, theirs, the truth
    assert widths == {"ground-to-satellite": 384 + columns * 132, "satellite-to-ground": 128 + columns * 388}
    assert (tmp_path / "round-trip.png").stat().st_size > 5_000
    assert "left out" not in capsys.readouterr().out
    assert evaluate([*arguments, "--out", str(tmp_path), "--run", str(run)]) == 1
    assert "--config and --run go together" in capsys.readouterr().err


def test_encoders_are_compared_and_a_comparison_that_is_finished_is_not_run_again(run, world, tmp_path, capsys):
    arguments = ["encoders", "--config", str(CONFIGS / "geo2/tiny.yaml"), "--world", str(world), "--run", str(run), "--out", str(tmp_path)]
    arguments += ["--minutes", "1s", "--encoder", "cnn8", "--encoder", "dense4+dense8:24"]
    assert study(arguments) == 0
    rows = json.loads((tmp_path / "encoders.json").read_text())
    assert {row["system"] for row in rows} == {"rae cnn8", "rae dense4+dense8:24"} and {row["condition"] for row in rows} == DIRECTIONS
    assert {row["metric"] for row in rows} == {"psnr", "ssim", "fd_gfm", "size_mb"} and all(np.isfinite(row["value"]) for row in rows)
    capsys.readouterr()
    assert study(arguments) == 0
    assert capsys.readouterr().out.count("rae: finished already") == 2


def test_joint_training_is_studied_with_and_without_the_consistency_loss(run, world, tmp_path, capsys):
    arguments = ["joint", "--config", str(CONFIGS / "geo2/tiny.yaml"), "--world", str(world), "--run", str(run), "--out", str(tmp_path)]
    arguments += ["--minutes", "1s", "--data", str(world / "cross_area"), "--beta", "0", "0.1", "--tau", "0.1", "--seeds", "0", "1"]
    assert study(arguments) == 0
    rows = json.loads((tmp_path / "joint.json").read_text())
    assert {row["system"] for row in rows} == {"no-joint", "no-kl", "joint beta 0.1 tau 0.1"}
    assert {row["seeds"] for row in rows if row["system"] != "no-joint"} == {2}
    assert len((tmp_path / "joint.md").read_text().splitlines()) == 5
    capsys.readouterr()
    assert study(arguments) == 0
    assert capsys.readouterr().out.count("joint: finished already") == 4
    assert json.loads((tmp_path / "joint.json").read_text()) == rows


def test_what_synthesis_cannot_do_without_is_said(released, world, tmp_path, capsys):
    arguments = ["synthesis", "--model", str(released), "--data", str(world / "cross_area"), "--out", str(tmp_path / "report.json")]
    assert evaluate([*arguments, "--features", str(tmp_path / "nothing.pt")]) == 1
    assert "nothing.pt: not found" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        rival(["regression", "--model", str(released), "--data", str(world), "--world", str(world), "--out", str(tmp_path / "r.json")])
    assert stopped.value.code == 2


def test_the_configuration_survives_a_round_trip():
    config = load_config(CONFIGS / "geo2/mini-gpu.yaml")
    assert parse_config(to_dict(config)) == config
    with pytest.raises(ValueError, match="unknown key learning_rat"):
        parse_config({"geomap_training": {"learning_rat": 1}})
    with pytest.raises(ValueError, match="expected int"):
        parse_config({"seed": "one"})
