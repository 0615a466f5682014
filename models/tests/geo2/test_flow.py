"""Path, solver and network of the flow: what theory says of them."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from geo2.config import load_config
from geo2.flow.field import ConditionedField
from geo2.flow.network import FlowBlock, GeoFlow, ray_bias
from geo2.flow.path import TurningPath, flow_loss
from geo2.flow.solver import SOLVERS, TABLEAUS, integrate
from geo2.train.geoflow import draw_conditions

TINY = load_config(Path(__file__).parents[2] / "configs" / "geo2" / "tiny.yaml")
FIXED = [name for name in SOLVERS if name != "dopri5"]


def swinging(x: Tensor, t: float) -> Tensor:
    """x1' = x2, x2' = -x1: from (0, 1), x(t) = (sin t, cos t)."""
    return torch.stack([x[:, 1], -x[:, 0]], dim=1)


def decaying(x: Tensor, t: float) -> Tensor:
    """x' = -2 t x, so x(t) = x(0) exp(-t^2)."""
    return -2 * t * x


def tiny_flow(dtype: torch.dtype = torch.float64) -> GeoFlow:
    torch.manual_seed(3)
    flow = GeoFlow(TINY).init_weights()
    torch.nn.init.normal_(flow.out.weight, std=0.2)
    torch.nn.init.normal_(flow.modulation.weight, std=0.1)
    return flow.to(dtype).eval().requires_grad_(False)


# --- solver ---


@pytest.mark.parametrize("solver", FIXED)
@pytest.mark.parametrize("start, end", [(0.0, 1.0), (1.0, 0.0)])
def test_halving_the_step_divides_the_error_by_two_to_the_solvers_order(solver: str, start: float, end: float):
    x = torch.tensor([[0.3, 1.0]], dtype=torch.float64)
    exact = x * math.exp(-(end**2) + start**2)
    errors = [float((integrate(decaying, x, start, end, solver, steps) - exact).norm()) for steps in (16, 32)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(TABLEAUS[solver].order, abs=0.25)


@pytest.mark.parametrize("solver", FIXED)
def test_a_pendulum_is_where_it_should_be(solver: str):
    x = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    reached = integrate(swinging, x, 0.0, math.pi / 2, solver, 400)
    assert reached[0].tolist() == pytest.approx([1.0, 0.0], abs=4e-3 if solver == "euler" else 1e-5)


def test_dopri5_keeps_to_its_tolerance_and_its_own_step_has_order_five():
    x = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    for tolerance in (1e-3, 1e-6, 1e-9):
        reached = integrate(swinging, x, 0.0, 3.0, "dopri5", 10, rtol=tolerance, atol=tolerance)
        assert reached[0].tolist() == pytest.approx([math.sin(3), math.cos(3)], abs=20 * tolerance)
    errors = []
    for steps in (4, 8):
        reached = x
        for i in range(steps):  # one accepted step each, however loose the tolerance
            reached = integrate(swinging, reached, i / steps, (i + 1) / steps, "dopri5", 1, rtol=1e3, atol=1e3)
        errors.append(float((reached - torch.tensor([[math.sin(1), math.cos(1)]], dtype=torch.float64)).norm()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(5, abs=0.4)


def test_dopri5_takes_fewer_steps_where_nothing_happens():
    calls: list[float] = []

    def still(x: Tensor, t: float) -> Tensor:
        calls.append(t)
        return torch.zeros_like(x)

    x = torch.ones(1, 2)
    assert integrate(still, x, 0.0, 1.0, "dopri5", 100).equal(x)
    assert len(calls) <= 7 * 5 and max(calls) == 1.0


def test_dopri5_gives_up_on_what_no_step_resolves():
    with pytest.raises(ArithmeticError, match="more than 1000 steps"):
        integrate(lambda x, t: x**2, torch.ones(1, 1, dtype=torch.float64), 0.0, 2.0, "dopri5", 10)


def test_mistakes_are_named():
    x = torch.ones(2, 1)
    with pytest.raises(ValueError, match="expected one of euler, heun, rk4, dopri5, got 'leapfrog'"):
        integrate(decaying, x, 0.0, 1.0, "leapfrog")
    with pytest.raises(ValueError, match="steps: expected at least 1, got 0"):
        integrate(decaying, x, 0.0, 1.0, "heun", 0)
    with pytest.raises(ValueError, match="expected one sample"):
        integrate(decaying, x, 0.0, 1.0, "dopri5")


@pytest.mark.parametrize("tableau", TABLEAUS.values(), ids=TABLEAUS)
def test_a_tableau_is_consistent(tableau):
    assert sum(tableau.b) == pytest.approx(1)
    assert [sum(row) for row in tableau.a] == pytest.approx(list(tableau.c))
    assert sum(tableau.error) == pytest.approx(0)


# --- path ---


@pytest.fixture
def path() -> TurningPath:
    return TurningPath((3, 4, 6)).double()


def pair() -> tuple[Tensor, Tensor]:
    ground, satellite = torch.randn(2, 3, 3, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return ground, satellite


def test_the_path_runs_from_ground_to_satellite(path: TurningPath):
    ground, satellite = pair()
    assert path.state(ground, satellite, torch.zeros(3).double()).allclose(ground)
    assert path.state(ground, satellite, torch.ones(3).double()).allclose(satellite)


def test_its_velocity_is_the_derivative_of_its_state(path: TurningPath):
    ground, satellite = pair()
    t, h = torch.tensor([0.1, 0.4, 0.8], dtype=torch.float64), 1e-5
    slope = (path.state(ground, satellite, t + h) - path.state(ground, satellite, t - h)) / (2 * h)
    assert slope.allclose(path.velocity(path.state(ground, satellite, t), path.slope(ground, satellite), t), atol=1e-8)
    assert flow_loss(path.slope(ground, satellite), ground, satellite, path) == 0


def test_a_solver_that_is_told_the_slope_arrives(path: TurningPath):
    ground, satellite = pair()

    def velocity(x: Tensor, t: float) -> Tensor:
        return path.velocity(x, path.slope(ground, satellite), torch.full((3,), t, dtype=torch.float64))

    assert integrate(velocity, ground, 0.0, 1.0, "rk4", 20).allclose(satellite, atol=1e-4)
    assert integrate(velocity, satellite, 1.0, 0.0, "rk4", 20).allclose(ground, atol=1e-4)


def test_the_frame_is_a_rotation_and_a_quarter_turn_twice_is_a_half(path: TurningPath):
    x, _ = pair()
    t = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    assert path.from_frame(path.to_frame(x, t), t).allclose(x)
    assert path.to_frame(x, t).norm().allclose(x.norm())
    assert path.scrambled(path.scrambled(x)).equal(-x)
    assert ((path.scrambled(x) * x).sum() / x.square().sum()).abs() < 1e-12
    assert path.partner.sort().values.equal(torch.arange(72)) and path.sign.sum() == 0
    with pytest.raises(ValueError, match="even number of values, got 27"):
        TurningPath((3, 3, 3))


# --- network ---


def test_the_flow_starts_at_rest_in_its_frame_and_learns_one_batch():
    torch.manual_seed(0)
    flow = GeoFlow(TINY).init_weights()
    ground, satellite = torch.randn(2, 4, 40, 8, 8)
    condition = torch.nn.functional.normalize(torch.randn(4, TINY.geomap.embedding), dim=-1)
    t = torch.tensor([0.0, 0.3, 0.6, 1.0])
    x = flow.path.state(ground, satellite, t)
    assert flow(x, t, condition).abs().max() == 0
    optimizer = torch.optim.Adam(flow.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = flow_loss(flow(x, t, condition), ground, satellite, flow.path)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_state_time_and_condition_all_move_the_velocity():
    flow = tiny_flow()
    x, c = torch.randn(1, 40, 8, 8, dtype=torch.float64), torch.randn(1, TINY.geomap.embedding, dtype=torch.float64)
    t = torch.tensor([0.4], dtype=torch.float64)
    plain = flow(x, t, c)
    for other in (flow(x + 0.1, t, c), flow(x, t + 0.3, c), flow(x, t, -c)):
        assert (other - plain).abs().max() > 1e-3


def test_samples_of_a_batch_do_not_see_each_other():
    flow = tiny_flow()
    x, c = torch.randn(3, 40, 8, 8, dtype=torch.float64), torch.randn(3, TINY.geomap.embedding, dtype=torch.float64)
    t = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    together = flow(x, t, c)
    for i in range(3):
        assert flow(x[i : i + 1], t[i : i + 1], c[i : i + 1]).allclose(together[i : i + 1], atol=1e-9)


def test_forward_and_back_returns_to_the_start_and_the_error_falls_at_the_solvers_order():
    flow = tiny_flow()
    x, c = torch.randn(1, 40, 8, 8, dtype=torch.float64), torch.randn(1, TINY.geomap.embedding, dtype=torch.float64)
    field = ConditionedField(flow.condition, flow.velocity, c)

    def error(solver: str, steps: int) -> float:
        there = integrate(field, x, 0.0, 1.0, solver, steps)
        assert (there - x).norm() > 0.1 * x.norm(), "a flow that stays says nothing"
        return float((integrate(field, there, 1.0, 0.0, solver, steps) - x).abs().max())

    assert error("rk4", 50) < 1e-3
    heun = [error("heun", steps) for steps in (25, 50)]
    assert heun[1] < 1e-3
    assert math.log2(heun[0] / heun[1]) > 1.7


def test_z_is_computed_as_often_as_asked():
    counted: list[float] = []

    def condition(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        counted.append(float(t[0]))
        return c

    for every, times in ((0, [0.0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0]), (1, [0.0, 0.25, 0.5, 0.75]), (2, [0.0, 0.5]), (9, [0.0])):
        counted.clear()
        field = ConditionedField(condition, lambda x, t, z: x * 0 + z, torch.ones(1, 1), every)
        reached = integrate(field, torch.zeros(1, 1), 0.0, 1.0, "heun", 4, field.on_step)
        assert counted == times and float(reached) == pytest.approx(1)


def test_guidance_goes_from_the_velocity_without_a_condition_past_that_with_one():
    flow = tiny_flow()
    x, c = torch.randn(2, 40, 8, 8, dtype=torch.float64), torch.randn(2, TINY.geomap.embedding, dtype=torch.float64)
    velocity = {w: ConditionedField(flow.condition, flow.velocity, c, guidance=w)(x, 0.4) for w in (0.0, 1.0, 2.5)}
    without = ConditionedField(flow.condition, flow.velocity, torch.zeros_like(c))(x, 0.4)
    assert velocity[0.0].allclose(without) and (velocity[1.0] - without).abs().max() > 1e-3
    assert velocity[2.5].allclose(without + 2.5 * (velocity[1.0] - without))


def test_some_conditions_are_of_the_other_view_and_some_are_nothing():
    t = dataclasses.replace(TINY.geoflow_training, satellite_condition_share=0.5, condition_dropout=0.2)
    config = dataclasses.replace(TINY, geoflow_training=t)
    ground, satellite = torch.ones(4000, 3), 2 * torch.ones(4000, 3)
    drawn = draw_conditions(ground, satellite, config, np.random.default_rng(0))
    shares = [float((drawn == value).all(1).float().mean()) for value in (0, 1, 2)]
    assert shares == pytest.approx([0.2, 0.4, 0.4], abs=0.03)
    with pytest.raises(ValueError, match="guidance: expected 1 for a flow that was trained with condition_dropout 0, got 2"):
        dataclasses.replace(TINY, flow=dataclasses.replace(TINY.flow, guidance=2.0))


def test_heads_that_follow_rays_start_where_the_two_views_look_the_same_way():
    bias = ray_bias(8, 8, 8)
    north_cell, north_columns = 0 * 8 + 4, [row * 8 + 4 for row in range(8)]
    south_columns = [row * 8 for row in range(8)]
    assert bias[0, north_cell, north_columns].min() > bias[0, north_cell, south_columns].max() + 4
    east_cell = 4 * 8 + 7
    best = bias[0, east_cell].reshape(8, 8).argmax(1)
    assert ((best == 5) | (best == 6)).all(), "columns 5 and 6 of 8 look 67.5 and 112.5 degrees from the middle"
    assert bias[2].equal(bias[0].t()) and (bias[4:] == 0).all()


def test_a_wrong_size_is_named():
    with pytest.raises(ValueError, match="patch: expected a divisor of the latent's 8 x 8 cells, got 3"):
        GeoFlow(dataclasses.replace(TINY, flow=dataclasses.replace(TINY.flow, patch=3)))
    with pytest.raises(ValueError, match="width: expected a multiple of heads = 4, got 30"):
        FlowBlock(30, 4, 2, 2)
    with pytest.raises(ValueError, match="every: expected at least 0, got -1"):
        ConditionedField(lambda x, t, c: c, lambda x, t, z: z, torch.ones(1, 1), -1)
