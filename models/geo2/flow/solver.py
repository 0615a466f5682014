"""Explicit Runge-Kutta solvers of dx/dt = v(x, t) over any callable; `src/core/synthesis/solver.ts` gives the same numbers.

The state keeps its dtype, times are Python floats. Fixed-step solvers divide the interval evenly; `dopri5` (Dormand and Prince, 1980) chooses
its steps by the error that its embedded fourth order estimates.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
"""v(x, t): x of any shape, t in flow time."""

RTOL = ATOL = 1e-3
MAX_STEPS = 1000
SAFETY, SMALLEST_FACTOR, LARGEST_FACTOR = 0.9, 0.2, 5.0


@dataclass(frozen=True)
class Tableau:
    """Butcher's: rows of `a` and nodes `c` give the stages, `b` the step; `error` is b minus the weights of the embedded lower order."""

    order: int
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]
    error: tuple[float, ...] = ()


TABLEAUS = {
    "euler": Tableau(1, ((),), (1.0,), (0.0,)),
    "heun": Tableau(2, ((), (1.0,)), (1 / 2, 1 / 2), (0.0, 1.0)),
    "rk4": Tableau(4, ((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), (0.0, 1 / 2, 1 / 2, 1.0)),
    "dopri5": Tableau(
        5,
        (
            (),
            (1 / 5,),
            (3 / 40, 9 / 40),
            (44 / 45, -56 / 15, 32 / 9),
            (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
            (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
            (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
        ),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
        (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
        (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40),
    ),
}
SOLVERS = tuple(TABLEAUS)


def _combine(weights: tuple[float, ...], stages: list[Tensor]) -> Tensor:
    return sum(w * k for w, k in zip(weights, stages, strict=True) if w != 0)


def _stages(tableau: Tableau, velocity: Velocity, x: Tensor, t: float, h: float) -> list[Tensor]:
    stages: list[Tensor] = []
    for row, node in zip(tableau.a, tableau.c, strict=True):
        point = x + h * _combine(row, stages) if any(row) else x
        stages.append(velocity(point, t + node * h))
    return stages


def integrate(
    velocity: Velocity,
    x: Tensor,
    start: float,
    end: float,
    solver: str = "heun",
    steps: int = 10,
    on_step: Callable[[int], None] | None = None,
    rtol: float = RTOL,
    atol: float = ATOL,
) -> Tensor:
    """The state at `end` of what is x at `start`; end < start integrates backwards.

    steps: how many even steps; of `dopri5`, the first step is |end - start| / steps, and x holds one sample. on_step is called with the number
    of each step (of `dopri5`, of each attempt) before its first evaluation. ValueError for an unknown solver or steps < 1; ArithmeticError when
    `dopri5` needs more than 1000 steps.
    """
    if solver not in TABLEAUS:
        raise ValueError(f"solver: expected one of {', '.join(SOLVERS)}, got {solver!r}")
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    tableau = TABLEAUS[solver]
    if tableau.error:
        return _integrate_adaptively(tableau, velocity, x, start, end, steps, on_step, rtol, atol)
    h = (end - start) / steps
    for i in range(steps):
        if on_step is not None:
            on_step(i)
        x = x + h * _combine(tableau.b, _stages(tableau, velocity, x, start + i * h, h))
    return x


def _integrate_adaptively(
    tableau: Tableau,
    velocity: Velocity,
    x: Tensor,
    start: float,
    end: float,
    steps: int,
    on_step: Callable[[int], None] | None,
    rtol: float,
    atol: float,
) -> Tensor:
    if x.shape[0] != 1:
        raise ValueError(f"x: expected one sample, since steps follow its error, got {x.shape[0]}")
    t, h, sign = start, abs(end - start) / steps, 1.0 if end >= start else -1.0
    for attempt in range(MAX_STEPS):
        left = abs(end - t)
        if left == 0:
            return x
        last = h >= left
        h = min(h, left)
        if on_step is not None:
            on_step(attempt)
        stages = _stages(tableau, velocity, x, t, sign * h)
        following = x + sign * h * _combine(tableau.b, stages)
        scale = atol + rtol * torch.maximum(x.abs(), following.abs())
        norm = float((h * _combine(tableau.error, stages) / scale).square().mean().sqrt())
        if norm <= 1:
            x, t = following, end if last else t + sign * h
        h *= LARGEST_FACTOR if norm == 0 else min(LARGEST_FACTOR, max(SMALLEST_FACTOR, SAFETY * norm**-0.2))
    raise ArithmeticError(f"dopri5: more than {MAX_STEPS} steps; loosen rtol = {rtol} and atol = {atol}, or take a fixed-step solver")
