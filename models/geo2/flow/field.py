"""The network as a velocity field of one condition: the callable that solvers take."""

from collections.abc import Callable

import torch
from torch import Tensor

Condition = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x [B, C, H, W], t [B], condition [B, E]) -> z [B, N, D]."""
Head = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x [B, C, H, W], t [B], z [B, N, D]) -> velocity [B, C, H, W]."""


class ConditionedField:
    """v(x, t) for one condition [B, E]. every: z is computed at each evaluation (0), or at the first of each `every`-th step and reused until
    then; `on_step` has to be given to the solver. guidance w: v(nothing) + w (v(condition) - v(nothing)), where nothing is a condition of zeros
    (Ho and Salimans, classifier-free guidance); 1 needs no second evaluation."""

    def __init__(self, condition: Condition, head: Head, c: Tensor, every: int = 0, guidance: float = 1.0) -> None:
        if every < 0:
            raise ValueError(f"every: expected at least 0, got {every}")
        self.condition, self.head, self.every, self.guidance = condition, head, every, guidance
        self.conditions = [c] if guidance == 1 else [c, torch.zeros_like(c)]
        self.z: list[Tensor] | None = None

    def on_step(self, step: int) -> None:
        if self.every > 0 and step % self.every == 0:
            self.z = None

    def __call__(self, x: Tensor, t: float) -> Tensor:
        times = torch.full((x.shape[0],), t, dtype=x.dtype, device=x.device)
        if self.z is None or self.every == 0:
            self.z = [self.condition(x, times, c) for c in self.conditions]
        velocity, *without = [self.head(x, times, z) for z in self.z]
        for v in without:
            velocity = v + self.guidance * (velocity - v)
        return velocity
