"""The lift puts what is seen at an azimuth and a range into that place of the metric grid."""

import math

import pytest
import torch
from torch import Tensor

from geo2.geometry.lift import PolarLift, RangeHistogram, polar_to_cartesian, range_edges

AZIMUTHS, BINS, CELLS, EXTENT_M = 48, 12, 16, 70.0
MINIMUM_M, MAXIMUM_M = 2.0, 60.0


def lift() -> PolarLift:
    return PolarLift(AZIMUTHS, BINS, MINIMUM_M, MAXIMUM_M, CELLS, EXTENT_M)


def lifted(features: Tensor, probability: Tensor) -> Tensor:
    module = lift()
    return module.to_grid(module.to_polar(features, probability))


def random_input(rows: int = 5, channels: int = 3, last_bin: bool = True) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, channels, rows, AZIMUTHS, generator=generator)
    return features, torch.rand(2, BINS + int(last_bin), rows, AZIMUTHS, generator=generator)


def test_range_bins_grow_by_a_constant_factor_from_the_nearest_to_the_farthest():
    edges = range_edges(BINS, MINIMUM_M, MAXIMUM_M)
    assert len(edges) == BINS + 1
    assert (edges[0].item(), edges[-1].item()) == pytest.approx((2, 60))
    assert (edges[1:] / edges[:-1]).allclose(torch.tensor(30 ** (1 / 12), dtype=torch.float64))


@pytest.mark.parametrize("azimuth_column", [0, 5, 11, 12, 23, 24, 30, 36, 47])
@pytest.mark.parametrize("range_bin", [3, 6, 8])
def test_a_thing_at_an_azimuth_and_range_lands_there_with_the_heading_up(azimuth_column: int, range_bin: int):
    probability = torch.zeros(1, BINS + 1, 4, AZIMUTHS)
    probability[0, range_bin, 2, azimuth_column] = 1
    seen = lifted(torch.ones(1, 2, 4, AZIMUTHS), probability)[0, -1]
    assert seen.sum().item() == pytest.approx(1, abs=1e-5)
    rows, columns = torch.meshgrid(torch.arange(CELLS) + 0.5, torch.arange(CELLS) + 0.5, indexing="ij")
    cell_m = EXTENT_M / CELLS
    right_m = ((columns - CELLS / 2) * cell_m * seen).sum().item()
    ahead_m = ((CELLS / 2 - rows) * cell_m * seen).sum().item()
    edges = range_edges(BINS, MINIMUM_M, MAXIMUM_M)
    azimuth_deg = (azimuth_column + 0.5) / AZIMUTHS * 360 - 180
    assert edges[range_bin].item() - 0.1 < math.hypot(right_m, ahead_m) < edges[range_bin + 1].item() + 0.1
    assert (math.degrees(math.atan2(right_m, ahead_m)) - azimuth_deg + 180) % 360 - 180 == pytest.approx(0, abs=1)


def test_every_polar_cell_is_spread_with_a_sum_of_one_and_what_lies_beyond_the_grid_is_lost():
    matrix = polar_to_cartesian(AZIMUTHS, BINS, MINIMUM_M, MAXIMUM_M, CELLS, EXTENT_M).reshape(AZIMUTHS, BINS, CELLS * CELLS)
    assert (matrix >= 0).all()
    total, edges = matrix.sum(-1), range_edges(BINS, MINIMUM_M, MAXIMUM_M)
    half_cell = EXTENT_M / CELLS / 2
    inside, outside = edges[1:] < EXTENT_M / 2 - half_cell, edges[:-1] > EXTENT_M / 2 * math.sqrt(2) + 2 * half_cell
    assert inside.sum() >= 8
    assert total[:, inside].allclose(torch.tensor(1.0), atol=1e-5)
    assert (total[:, outside] == 0).all()
    assert (total <= 1 + 1e-5).all() and total[:, -1].mean() < 0.2


def test_the_beyond_bin_and_the_sky_leave_no_trace():
    features, probability = random_input()
    only_beyond = torch.zeros_like(probability)
    only_beyond[:, -1] = 1
    assert (lifted(features, only_beyond) == 0).all()
    without = probability.clone()
    without[:, -1] = 0
    assert lifted(features, probability).equal(lifted(features, without))


def test_the_lift_is_linear_in_the_features_and_masked_columns_have_no_influence():
    features, probability = random_input()
    doubled = lifted(2 * features, probability)
    once = lifted(features, probability)
    assert doubled[:, :-1].allclose(2 * once[:, :-1], atol=1e-5) and doubled[:, -1].allclose(once[:, -1])
    masked = probability.clone()
    masked[..., 10:30] = 0
    changed = features.clone()
    changed[..., 10:30] += 100
    assert lifted(features, masked).equal(lifted(changed, masked))
    assert not lifted(features, probability).allclose(lifted(changed, probability), atol=1.0)


def test_a_cell_holds_the_mean_of_what_was_seen_there_and_how_much_was_seen():
    _, probability = random_input()
    out = lifted(torch.full((2, 3, 5, AZIMUTHS), 7.0), probability)
    seen = out[:, -1:]
    assert (seen.sum((2, 3)) > 0).all()
    assert out[:, :-1].allclose((7 * seen / (seen + 0.05)).expand(-1, 3, -1, -1), atol=1e-4)
    much = seen.expand(-1, 3, -1, -1) > 20
    assert much.any() and (out[:, :-1][much] - 7).abs().max() < 0.03


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turning_the_canvas_by_quarters_turns_the_grid(quarters: int):
    features, probability = random_input()
    shift = quarters * AZIMUTHS // 4
    turned = lifted(features.roll(shift, -1), probability.roll(shift, -1))
    # content that moves to the right on the canvas moves clockwise on the grid
    assert turned.allclose(lifted(features, probability).rot90(-quarters, (2, 3)), atol=1e-3)


def test_rolled_azimuths_turn_the_grid_and_finer_columns_are_joined_by_their_mean():
    features, probability = random_input()
    module = lift()
    polar = module.to_polar(features, probability)
    assert polar.shape == (2, AZIMUTHS, BINS, 4)
    assert module.to_grid(polar.roll(AZIMUTHS // 4, 1)).allclose(module.to_grid(polar).rot90(-1, (2, 3)), atol=1e-3)
    finer = [x.repeat_interleave(2, -1) for x in (features, probability)]
    assert module.to_polar(*finer).allclose(polar, atol=1e-5)


def test_the_histogram_is_the_mass_of_a_logistic_distribution_between_the_edges():
    histogram = RangeHistogram(BINS, MINIMUM_M, MAXIMUM_M)
    generator = torch.Generator().manual_seed(2)
    log_range, log_scale = torch.rand(3, 1, 4, 6, generator=generator) * 5, torch.rand(3, 1, 4, 6, generator=generator) * 4 - 3
    probability = histogram(log_range, log_scale)
    assert probability.shape == (3, BINS + 1, 4, 6)
    assert probability.sum(1).allclose(torch.ones(3, 4, 6), atol=1e-5) and (probability > -1e-7).all()
    edges = range_edges(BINS, MINIMUM_M, MAXIMUM_M).log()
    samples = torch.linspace(edges[4], edges[5], 2001, dtype=torch.float64)
    z = (samples - log_range.double()[..., None]) * torch.exp(-log_scale.double()[..., None])
    density = torch.sigmoid(z) * torch.sigmoid(-z) * torch.exp(-log_scale.double()[..., None])
    assert probability[:, 4:5].double().allclose(torch.trapezoid(density, samples), atol=1e-5)


@pytest.mark.parametrize("metres", [1.0, 2.5, 10.0, 30.0, 59.0, 200.0])
def test_a_certain_range_falls_into_its_bin(metres: float):
    probability = RangeHistogram(BINS, MINIMUM_M, MAXIMUM_M)(torch.full((1, 1, 1, 1), math.log(metres)), torch.full((1, 1, 1, 1), -6.0))
    expected = int((range_edges(BINS, MINIMUM_M, MAXIMUM_M)[1:] <= metres).sum())  # nearer than the first edge is the first bin
    assert probability.flatten().argmax().item() == expected
    assert probability.max() > 0.99
