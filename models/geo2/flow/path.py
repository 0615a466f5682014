"""The path between paired latents. Flow time: t = 0 is the ground view, t = 1 the satellite view; there is no noise end.

The method's path is straight, x_t = (1 - t) x_g + t x_s. Two pictures of one kind of latent that are mixed so can hardly be told apart: a flow
that was trained on it kept half of the source in what it made (a correlation of 0.55 after 1,400 steps). Ours is straight in a frame that turns:

    u_t = (1 - t) J x_g + t x_s,    x_t = O(t)^T u_t,    O(t) = cos(a) + sin(a) J,    a = (1 - t) pi / 2

J is a fixed signed permutation of all cells and channels with J J = -1, so O(t) is a rotation, x_0 = x_g and x_1 = x_s. Seen in the one frame
(u) the ground view is noise that the satellite view emerges from, and in the other (J^T u) it is the other way round.
"""

import math

import torch
from torch import Tensor, nn

SEED = 20


class TurningPath(nn.Module):
    """For latents [B, C, H, W] of one shape, at times [B]."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        cells = math.prod(shape)
        if cells % 2:
            raise ValueError(f"shape: expected an even number of values, got {cells}")
        first, second = torch.randperm(cells, generator=torch.Generator().manual_seed(SEED)).chunk(2)
        partner, sign = torch.empty(cells, dtype=torch.int64), torch.ones(cells)
        partner[first], partner[second] = second, first
        sign[second] = -1.0
        self.register_buffer("partner", partner)
        self.register_buffer("sign", sign)

    def scrambled(self, x: Tensor) -> Tensor:
        """J x."""
        return (x.flatten(1)[:, self.partner] * self.sign).reshape(x.shape)

    @staticmethod
    def _angle(t: Tensor) -> tuple[Tensor, Tensor]:
        a = ((1 - t) * (math.pi / 2))[:, None, None, None]
        return a.cos(), a.sin()

    def to_frame(self, x: Tensor, t: Tensor) -> Tensor:
        """u = O(t) x."""
        c, s = self._angle(t)
        return c * x + s * self.scrambled(x)

    def from_frame(self, u: Tensor, t: Tensor) -> Tensor:
        """x = O(t)^T u."""
        c, s = self._angle(t)
        return c * u - s * self.scrambled(u)

    def state(self, ground: Tensor, satellite: Tensor, t: Tensor) -> Tensor:
        """x_t."""
        w = t[:, None, None, None]
        return self.from_frame((1 - w) * self.scrambled(ground) + w * satellite, t)

    def velocity(self, x: Tensor, slope: Tensor, t: Tensor) -> Tensor:
        """dx_t / dt at a state x whose du_t / dt is `slope`."""
        return self.scrambled(x) * (math.pi / 2) + self.from_frame(slope, t)

    def slope(self, ground: Tensor, satellite: Tensor) -> Tensor:
        """du_t / dt, the same at all times."""
        return satellite - self.scrambled(ground)


def flow_loss(slope: Tensor, ground: Tensor, satellite: Tensor, path: TurningPath) -> Tensor:
    """L_IG: mean square of what the network missed of the slope; that of the velocity is the same, since the frames differ by a rotation."""
    return (slope - path.slope(ground, satellite)).square().mean()
