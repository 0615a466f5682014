"""The released model, as it lies in the repository."""

import hashlib
import json

import numpy as np
import pytest
import torch

from geo2.evaluate.suite import released_model
from geo2.export import DIRECTIONS, difference_of, onnx_field, onnx_session
from geo2.flow.solver import integrate
from geo2.manifest import read_manifest

FOLDER = released_model()
MANIFEST = read_manifest(FOLDER)
GOLDEN = json.loads((FOLDER / MANIFEST["golden"]["file"]).read_text())


def tensor(blob: dict) -> np.ndarray:
    raw = (FOLDER / "golden" / blob["file"]).read_bytes()
    return np.frombuffer(raw, np.dtype(blob["dtype"]).newbyteorder("<")).reshape(blob["shape"])


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["graph"])
def test_onnxruntime_gives_what_torch_gave(case):
    session = onnx_session(FOLDER / MANIFEST["graphs"][case["graph"]]["file"])
    names = list(case["outputs"])
    answered = session.run(names, {name: tensor(blob) for name, blob in case["inputs"].items()})
    for name, values in zip(names, answered, strict=True):
        assert difference_of(values, tensor(case["outputs"][name])) <= MANIFEST["golden"]["tolerance"] == 1e-4, name


@pytest.mark.parametrize("case", GOLDEN.get("synthesis", []), ids=lambda c: f"{c['direction']}-{c['solver']}-{c['conditionEvery']}")
def test_every_solver_arrives_where_torch_did(case):
    field = onnx_field(FOLDER, tensor(case["condition"]), case["conditionEvery"])
    x = torch.from_numpy(tensor(case["start"]).copy())
    reached = integrate(field, x, *DIRECTIONS[case["direction"]], case["solver"], case["steps"], field.on_step)
    assert np.abs(reached.numpy() - tensor(case["end"])).max() <= 1e-4


def test_every_file_is_the_one_that_the_manifest_names():
    for entry in MANIFEST["files"]:
        content = (FOLDER / entry["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["sizeBytes"], entry["sha256"]), entry["path"]


def test_a_release_stays_under_40_megabytes():
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < 40e6


def test_pixels_under_the_mask_change_nothing():
    session = onnx_session(FOLDER / MANIFEST["graphs"]["ground"]["file"])
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 255, (1, 96, 384, 3), dtype=np.uint8), np.zeros((1, 96, 384), np.uint8)
    mask[:, 20:80, 100:180] = 1
    other = np.where(mask[..., None] == 1, image, 255 - image)
    first, second = (session.run(None, {"image": pixels, "mask": mask})[0] for pixels in (image, other))
    assert np.array_equal(first, second)


def test_graphs_say_nothing_of_the_machine_that_exported_them():
    for graph in MANIFEST["graphs"].values():
        assert b".py" not in (FOLDER / graph["file"]).read_bytes()
