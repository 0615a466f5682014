"""From what each direction sees, at which range, to a metric grid around the camera: constant geometry, linear in the features."""

import math

import torch
from torch import Tensor, nn


def range_edges(bins: int, minimum_m: float, maximum_m: float) -> Tensor:
    """Edges of log-spaced range bins in metres, [bins + 1]."""
    return minimum_m * (maximum_m / minimum_m) ** (torch.arange(bins + 1, dtype=torch.float64) / bins)


def polar_to_cartesian(azimuths: int, bins: int, minimum_m: float, maximum_m: float, cells: int, extent_m: float) -> Tensor:
    """Matrix [azimuths * bins, cells * cells] that spreads polar cells over a square grid by area.

    Azimuth column a is centred at (a + 0.5) / azimuths * 360 - 180 degrees clockwise from the canvas heading; the grid covers
    extent_m x extent_m metres around the camera with the heading up (row 0 ahead). Rows sum to the part of the cell inside the grid.
    """
    edges = range_edges(bins, minimum_m, maximum_m)
    cell_m = extent_m / cells
    radial, angular = 12, 4
    a, r, u, v = torch.meshgrid(
        torch.arange(azimuths, dtype=torch.float64),
        torch.arange(bins, dtype=torch.float64),
        (torch.arange(radial, dtype=torch.float64) + 0.5) / radial,
        (torch.arange(angular, dtype=torch.float64) + 0.5) / angular,
        indexing="ij",
    )
    lower = r.long()
    distance = edges[lower] * (edges[lower + 1] / edges[lower]) ** u
    azimuth = ((a + v) / azimuths - 0.5) * 2 * math.pi
    x = (distance * torch.sin(azimuth) + extent_m / 2) / cell_m - 0.5
    y = (extent_m / 2 - distance * torch.cos(azimuth)) / cell_m - 0.5
    matrix = torch.zeros(azimuths * bins, cells * cells, dtype=torch.float64)
    source = (a.long() * bins + lower).flatten()
    x0, y0 = torch.floor(x), torch.floor(y)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (1 - (x - x0 - dx).abs()) * (1 - (y - y0 - dy).abs()) / (radial * angular)
            column, row = (x0 + dx).long(), (y0 + dy).long()
            inside = (column >= 0) & (column < cells) & (row >= 0) & (row < cells)
            target = (row.clamp(0, cells - 1) * cells + column.clamp(0, cells - 1)).flatten()
            matrix.index_put_((source, target), (weight * inside).flatten(), accumulate=True)
    return matrix.float()


class RangeHistogram(nn.Module):
    """Probability of each range bin from a log-range and its log-scale, by differences of the logistic distribution function."""

    def __init__(self, bins: int, minimum_m: float, maximum_m: float) -> None:
        super().__init__()
        edges = range_edges(bins, minimum_m, maximum_m).log().float()
        self.register_buffer("edges", edges[1:, None, None], persistent=False)  # [bins, 1, 1]

    def forward(self, log_range: Tensor, log_scale: Tensor) -> Tensor:
        """[B, 1, h, w] each -> [B, bins + 1, h, w]; the last bin is everything beyond, sky included."""
        below = torch.sigmoid((self.edges - log_range) * torch.exp(-log_scale))  # [B, bins, h, w]
        return torch.cat([below[:, :1], below[:, 1:] - below[:, :-1], 1 - below[:, -1:]], dim=1)


class PolarLift(nn.Module):
    """Sums features into the metric grid: [B, C, rows, A] with range probabilities [B, bins(+1), rows, A] -> [B, C + 1, cells, cells].

    The features of a cell are the mean of what was seen there; the extra channel is how much was seen.
    """

    def __init__(self, azimuths: int, bins: int, minimum_m: float, maximum_m: float, cells: int, extent_m: float) -> None:
        super().__init__()
        self.bins, self.cells = bins, cells
        matrix = polar_to_cartesian(azimuths, bins, minimum_m, maximum_m, cells, extent_m)
        self.register_buffer("matrix", matrix, persistent=False)  # [A * bins, cells * cells]

    def forward(self, features: Tensor, probability: Tensor) -> Tensor:
        B, C, _, A = features.shape
        weight = probability[:, : self.bins].permute(0, 3, 1, 2)  # [B, A, bins, rows]
        polar = torch.matmul(weight, features.permute(0, 3, 2, 1))  # [B, A, bins, C]
        polar = polar.permute(0, 3, 1, 2).reshape(B, C, A * self.bins)  # [B, C, A * bins]
        mass = weight.sum(-1).reshape(B, 1, A * self.bins)  # [B, 1, A * bins]
        grid = torch.matmul(polar, self.matrix)  # [B, C, cells * cells]
        seen = torch.matmul(mass, self.matrix)  # [B, 1, cells * cells]
        return torch.cat([grid / (seen + 0.05), seen], dim=1).reshape(B, C + 1, self.cells, self.cells)
