"""GeoFlow's network: a DiT condition encoder gives z from (x_t, t, f), a wide and shallow head gives the velocity from (x_t, t, z) (Wang et al.,
DDT; Peebles and Xie, DiT).

Ours differs from both: the modulation of all blocks comes from one layer and a table (as PixArt does, for size), and attention has a learned
bias for every pair of positions, of which some heads start where the two views' geometry puts it: a column of the panorama and the ray of the
tile that look the same way. It sees the state in both frames of the path and answers in both.
"""

import math

import torch
from torch import Tensor, nn

from ..config import Config
from ..models.layers import sine_positions
from ..models.rae import latent_shape
from .path import TurningPath

TIME_FREQUENCIES = 64
RAY_BIAS = 3.0
"""How strongly the heads that follow rays prefer their own at the start, as a logit."""


class TimeEmbedding(nn.Module):
    """Flow time [B] in [0, 1] -> [B, D]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * TIME_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        frequency = 2 * math.pi * torch.exp(torch.linspace(math.log(0.25), math.log(16.0), TIME_FREQUENCIES))
        self.register_buffer("frequency", frequency, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        angle = t[:, None] * self.frequency  # [B, F]
        return self.layers(torch.cat([angle.sin(), angle.cos()], dim=-1))


def ray_bias(rows: int, columns: int, heads: int) -> Tensor:
    """[heads, N, N] over positions row by row: a quarter of the heads look from tile to panorama, a quarter from panorama to tile.

    A column of the panorama looks at the azimuth of its middle; a cell of the tile lies at its azimuth from the tile's centre.
    """
    y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows - 0.5, (torch.arange(columns) + 0.5) / columns - 0.5, indexing="ij")
    column = 2 * math.pi * x.flatten()  # [N]
    cell = torch.atan2(x, -y).flatten()  # [N]
    to_panorama = RAY_BIAS * (torch.cos(cell[:, None] - column[None, :]) - 1)  # [N, N]
    bias = torch.zeros(heads, rows * columns, rows * columns)
    quarter = heads // 4
    bias[:quarter] = to_panorama
    bias[quarter : 2 * quarter] = to_panorama.t()
    return bias


class FlowBlock(nn.Module):
    """Transformer block whose norms are shifted and scaled, and whose branches are gated, by m [B, 1 or N, 6 * width]."""

    def __init__(self, width: int, heads: int, rows: int, columns: int) -> None:
        super().__init__()
        if width % heads != 0:
            raise ValueError(f"width: expected a multiple of heads = {heads}, got {width}")
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(approximate="tanh"), nn.Linear(3 * width, width))
        self.bias = nn.Parameter(ray_bias(rows, columns, heads))
        self.table = nn.Parameter(torch.zeros(6 * width))

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        B, N, D = x.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = (m + self.table).chunk(6, dim=-1)
        h = self.norm1(x) * (1 + scale1) + shift1
        q, k, v = self.qkv(h).reshape(B, N, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4).unbind(0)  # [B, heads, N, d]
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + self.bias.to(q.dtype)  # [B, heads, N, N]
        attended = scores.softmax(-1).to(v.dtype) @ v  # [B, heads, N, d]
        x = x + gate1 * self.out(attended.transpose(1, 2).reshape(B, N, D))
        return x + gate2 * self.feed_forward(self.norm2(x) * (1 + scale2) + shift2)


class Patches(nn.Module):
    """Latent [B, C, H, W] -> tokens [B, N, D] of p x p cells, with positions added."""

    def __init__(self, channels: int, patch: int, width: int, rows: int, columns: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(sine_positions(rows, columns, width)[None])

    def forward(self, x: Tensor) -> Tensor:
        return self.project(x).flatten(2).transpose(1, 2) + self.position  # [B, N, D]


class GeoFlow(nn.Module):
    """`condition` and `velocity` are exported as two graphs, since a solver may reuse z over steps. The forward pass is both.

    side_channels: of what rivals append to the state as a further condition; ours has none.
    """

    def __init__(self, config: Config, side_channels: int = 0) -> None:
        super().__init__()
        f = config.flow
        C, H, W = latent_shape(config)
        if H % f.patch or W % f.patch:
            raise ValueError(f"patch: expected a divisor of the latent's {H} x {W} cells, got {f.patch}")
        rows, columns = H // f.patch, W // f.patch
        self.path = TurningPath((C, H, W))
        self.channels, self.patch, self.rows, self.columns = C, f.patch, rows, columns
        self.enter = Patches(2 * C + side_channels, f.patch, f.width, rows, columns)
        self.time = TimeEmbedding(f.width)
        self.embedding = nn.Sequential(nn.Linear(config.geomap.embedding, f.width), nn.SiLU(), nn.Linear(f.width, f.width))
        self.modulation = nn.Linear(f.width, 6 * f.width)
        self.blocks = nn.ModuleList(FlowBlock(f.width, f.heads, rows, columns) for _ in range(f.depth))
        self.norm = nn.LayerNorm(f.width)
        self.head_enter = Patches(2 * C + side_channels, f.patch, f.head_width, rows, columns)
        self.head_time = TimeEmbedding(f.width)
        self.head_modulation = nn.Linear(f.width, 6 * f.head_width)
        self.head_blocks = nn.ModuleList(FlowBlock(f.head_width, f.heads, rows, columns) for _ in range(f.head_depth))
        self.head_norm = nn.LayerNorm(f.head_width)
        self.out = nn.Linear(f.head_width, 2 * C * f.patch**2)
        self.skip = nn.Linear(f.width, 2 * C)

    def init_weights(self) -> "GeoFlow":
        """The last layers are zero: the flow starts at rest in its frame. Gates start at a small constant, so that every block learns at once."""
        for layer in (self.out, self.skip):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for block in (*self.blocks, *self.head_blocks):
            for gate in block.table.data.chunk(6)[2::3]:
                gate.fill_(0.3)
        for layer in (self.modulation, self.head_modulation):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        return self

    def frames(self, x: Tensor, t: Tensor) -> Tensor:
        """The state in both frames, [B, 2C + side channels, H, W]."""
        u = self.path.to_frame(x[:, : self.channels], t)
        return torch.cat([u, -self.path.scrambled(u), x[:, self.channels :]], dim=1)

    def condition(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """x [B, C, H, W] at flow times t [B], with embeddings [B, E] -> z [B, N, D]."""
        scale = condition.shape[-1] ** 0.5  # unit vectors have small components
        m = self.modulation(nn.functional.silu(self.time(t) + self.embedding(condition * scale)))[:, None]  # [B, 1, 6D]
        h = self.enter(self.frames(x, t))
        for block in self.blocks:
            h = block(h, m)
        return self.norm(h)

    def slope(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """du/dt [B, C, H, W] in the path's turning frame.

        Part of the answer is the state itself in either frame, times a factor of each channel and time: what is certain whatever it shows.
        """
        time = self.head_time(t)  # [B, D]
        m = self.head_modulation(nn.functional.silu(z + time[:, None]))  # [B, N, 6 * head width]
        seen = self.frames(x, t)
        h = self.head_enter(seen)
        for block in self.head_blocks:
            h = block(h, m)
        h = self.out(self.head_norm(h))  # [B, N, 2C * p * p]
        B, p = h.shape[0], self.patch
        h = h.reshape(B, self.rows, self.columns, -1, p, p).permute(0, 3, 1, 4, 2, 5)  # [B, 2C, rows, p, columns, p]
        h = h.reshape(B, -1, self.rows * p, self.columns * p)
        h = (h + self.skip(nn.functional.silu(time))[..., None, None] * seen[:, : 2 * self.channels]).to(x.dtype)
        satellite, ground = h.chunk(2, dim=1)
        return satellite + self.path.scrambled(ground)

    def velocity(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """x and t as above, z [B, N, D] of the same or an earlier state -> dx/dt [B, C, H, W]."""
        return self.path.velocity(x[:, : self.channels], self.slope(x, t, z), t)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """`slope` of a state and its own z: what training compares."""
        return self.slope(x, t, self.condition(x, t, condition))
