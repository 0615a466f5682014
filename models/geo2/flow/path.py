"""The straight path between paired latents. Flow time: t = 0 is the ground view, t = 1 the satellite view; there is no noise end."""

from torch import Tensor


def state_at(ground: Tensor, satellite: Tensor, t: Tensor) -> Tensor:
    """x_t = (1 - t) x_g + t x_s, of latents [B, C, H, W] at times [B]."""
    t = t[:, None, None, None]
    return (1 - t) * ground + t * satellite


def velocity_of(ground: Tensor, satellite: Tensor) -> Tensor:
    """dx_t / dt = x_s - x_g, the same at all times."""
    return satellite - ground


def flow_loss(velocity: Tensor, ground: Tensor, satellite: Tensor) -> Tensor:
    """L_IG: mean square of what the network missed."""
    return (velocity - velocity_of(ground, satellite)).square().mean()
