"""The metrics of synthesis, on numbers whose answer is known."""

import numpy as np
import pytest

from geo2.evaluate.frechet import frechet_distance
from geo2.evaluate.segmenter import GROUND_GROUPS, IGNORED, TILE_GROUPS, azimuth_iou, group_map, mean_iou, segment, train_segmenter
from geo2.evaluate.synthesis import mean_row, picture_rows
from null_island import classes as world


def test_the_frechet_distance_of_gaussians_is_that_of_their_moments():
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1, (60_000, 3))
    b = rng.normal(0, 2, (60_000, 3)) + np.array([3.0, 0, 0])
    assert frechet_distance(a, b) == pytest.approx(9 + 3 * (2 - 1) ** 2, rel=0.02)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6)


def test_every_class_is_in_at_most_one_group_and_others_are_ignored():
    for groups in (TILE_GROUPS, GROUND_GROUPS):
        members = [c for group in groups for c in group]
        assert len(members) == len(set(members))
    seen = group_map(np.array([[world.SKY, world.BUILDING, world.POLE, world.TREE]], np.uint8), GROUND_GROUPS)
    assert seen.tolist() == [[0, 2, IGNORED, 3]]


def test_mean_iou_counts_known_pixels_of_groups_that_occur():
    truth = np.array([[[0, 0, 1, IGNORED]]], np.uint8)
    assert mean_iou(truth, truth, 3) == 100
    assert mean_iou(np.array([[[0, 1, 1, 2]]], np.uint8), truth, 3) == pytest.approx(100 * (1 / 2 + 1 / 2) / 2)


def test_azimuth_iou_asks_for_shares_of_a_column_not_for_rows():
    truth = np.array([[[0, 1], [1, 1]]], np.uint8)
    flipped = truth[:, ::-1]
    assert azimuth_iou(flipped, truth, 2) == 100 and mean_iou(flipped, truth, 2) < 70
    turned = truth[:, :, ::-1]
    assert azimuth_iou(turned, truth, 2) == pytest.approx(100 * (0 / 1 + 1 / 2) / 2)


def test_the_segmenter_learns_what_colours_tell():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, (8, 4, 4), np.uint8).repeat(16, 1).repeat(16, 2)
    images = (60 + 130 * labels[..., None] + rng.integers(0, 20, (8, 64, 64, 3))).astype(np.uint8)
    model = train_segmenter(images, labels, 2, steps=40)
    assert mean_iou(segment(model, list(images)), labels[:, 2::4, 2::4], 2) > 85


def test_psnr_is_twenty_decibels_for_an_error_of_a_tenth_of_white_and_equal_pictures_have_ssim_one():
    wanted = np.random.default_rng(0).integers(0, 200, (3, 32, 32, 3), np.uint8)
    psnr, ssim = picture_rows("x", "s", "c", wanted, wanted)
    assert psnr["value"] > 100 and ssim["value"] == 1
    assert picture_rows("x", "s", "c", (wanted + 25.5).astype(np.uint8), wanted)[0]["value"] == pytest.approx(20.17, abs=0.02)
    row = mean_row("x", "s", "c", "m", np.array([1.0, 2.0, 3.0]))
    assert row["value"] == 2 and row["n"] == 3 and row["ci95"] == pytest.approx([2 - 1.1316, 2 + 1.1316], abs=1e-3)
