"""What the geometry model learns from agrees with the world that it was taken from."""

from pathlib import Path

import numpy as np
import pytest
import torch

from geo2.config import Config
from geo2.data.pretraining import SKY, Look, PretrainingData, quaternion, rotation_of, signed_log, turn_by
from geo2.geometry.e2p import EquirectangularToPerspective
from geo2.models.gfm import CLASSES
from null_island.build import build_world
from null_island.classes import NAMES, ROAD
from null_island.config import load_config

CONFIG = Config()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> PretrainingData:
    out = tmp_path_factory.mktemp("world")
    build_world(load_config(Path(__file__).parents[2] / "configs/null_island/tiny.yaml"), 12, out, ["pretrain"], 2)
    return PretrainingData(out / "pretrain", CONFIG)


def test_the_models_classes_are_those_of_the_world_and_the_sky():
    assert CLASSES == len(NAMES) + 1


def test_roads_lie_at_height_zero_however_the_camera_is_held(data: PretrainingData):
    heights = []
    rng = np.random.default_rng(1)
    for who in range(len(data.images)):
        look = Look(who, rotation_of(rng.uniform(0, 360), rng.normal(0, 6), rng.normal(0, 4)), 360.0)
        for v in range(4):
            known, ranges, kind = data._targets(look, v)
            rays = data.coarse[v] @ (data.rotation[who] @ look.rotation).T
            heights.append((rays[..., 2] * ranges + data.position[who][2])[known & (kind == ROAD)])
    heights = np.concatenate(heights)
    assert len(heights) > 500
    assert abs(np.median(heights)) < 0.03 and np.percentile(np.abs(heights), 90) < 0.2


def test_a_level_look_sees_what_the_canvas_turned_by_whole_columns_gives(data: PretrainingData):
    f, g = CONFIG.gfm, CONFIG.geometry
    e2p = EquirectangularToPerspective(
        g.canvas_width_px, g.canvas_height_px, g.elevation_top_deg, g.elevation_bottom_deg, f.view_yaws_deg, f.view_fov_deg, f.view_px
    )
    look = Look(0, rotation_of(90, 0, 0), 360.0)
    rolled = np.roll(data.images[0], -g.canvas_width_px // 4, axis=1)
    expected = e2p(torch.from_numpy(rolled).permute(2, 0, 1)[None].float() / 255)[0]
    for v in range(4):
        seen, inside = data._sample(look, v)
        agreed = np.abs(seen - expected[v].numpy()).max(0)[inside]
        assert np.percentile(agreed, 99) < 0.02 and inside.mean() > 0.9


def test_a_limited_view_holds_data_only_within_it(data: PretrainingData):
    look = Look(0, rotation_of(0, 0, 0), 100.0)
    shares = {yaw: data._sample(look, v)[1].mean() for v, yaw in enumerate(CONFIG.gfm.view_yaws_deg)}
    assert shares[225.0] == shares[135.0] == 0 and 0.3 < shares[45.0] < 0.7 and shares[45.0] == pytest.approx(shares[315.0], abs=0.02)
    seen, inside = data._sample(look, 2)
    assert (seen[:, ~inside] == 0).all() and seen[:, inside].mean() > 0.1


def test_a_batch_marks_what_is_not_known(data: PretrainingData):
    batch = data.ground(data.train, 6, np.random.default_rng(2))
    unknown = batch["classes"] < 0
    assert unknown.any() and (batch["classes"].max() < CLASSES)
    assert batch["log_range"][:, :, 0].isnan().equal(unknown)
    no_point = unknown | (batch["classes"] == SKY)
    assert batch["points"].isnan().any(2).equal(no_point)
    assert batch["frames"].permute(0, 1, 3, 4, 2)[batch["valid"] == 0].eq(0).all()


def test_points_of_a_panorama_lie_where_the_first_cameras_axes_put_them(data: PretrainingData):
    """Every frame of a sequence states its points in one frame: those of one panorama are at their range from its camera."""
    batch = data.ground(data.train, 8, np.random.default_rng(3))
    metres = batch["points"].sign() * (batch["points"].abs().exp() - 1)
    same_place = (batch["camera"][:, :, :3].abs().amax((1, 2)) == 0).nonzero()[:, 0]
    assert len(same_place) > 0
    for b in same_place:
        known = ~metres[b].isnan().any(1)
        assert (metres[b].norm(dim=1)[known].log() - batch["log_range"][b, :, 0][known]).abs().max() < 2e-3


def test_tiles_state_shares_of_classes_and_heights(data: PretrainingData):
    batch = data.satellite(8, np.random.default_rng(4))
    assert batch["classes"].shape == (8, 1, CLASSES, 32, 32) and batch["log_range"].shape == (8, 1, 1, 32, 32)
    assert batch["classes"].sum(2).allclose(torch.ones(8, 1, 32, 32)) and batch["classes"][:, :, SKY].eq(0).all()
    on_roads = batch["classes"][:, :, ROAD] == 1
    assert on_roads.any() and batch["log_range"][:, :, 0][on_roads].exp().median() == pytest.approx(2.0, abs=0.01)


def test_rotations_are_proper_and_their_quaternions_turn_alike():
    rotation = rotation_of(200, 10, -7)
    assert np.allclose(rotation @ rotation.T, np.eye(3)) and np.linalg.det(rotation) == pytest.approx(1)
    assert np.allclose(turn_by(90) @ [0, 1, 0], [1, 0, 0])
    w, x, y, z = quaternion(rotation_of(40, 5, 3))
    about = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - w * z)], [2 * (x * y + w * z), 1 - 2 * (x * x + z * z)]])
    assert np.allclose(about, rotation_of(40, 5, 3)[:2, :2])


def test_signed_log_is_odd_and_grows():
    x = torch.linspace(-50, 50, 101)
    assert torch.allclose(signed_log(-x), -signed_log(x))
    assert (signed_log(x).diff() > 0).all()
