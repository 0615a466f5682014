import math

import torch

from geo2.train.losses import info_nce, logistic_nll, signed_log


def unit(n: int, d: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(0)), dim=-1)


def test_info_nce_of_unrelated_pairs_is_the_logarithm_of_the_batch():
    same = torch.ones(8, 4) / 2
    nothing = torch.zeros(8, 8, dtype=torch.bool)
    assert math.isclose(info_nce(same, same, torch.tensor(10.0), nothing).item(), math.log(8), rel_tol=1e-5)


def test_info_nce_is_symmetric_and_falls_with_matching():
    a, b = unit(16, 32), unit(16, 32).flip(0)
    nothing = torch.zeros(16, 16, dtype=torch.bool)
    assert math.isclose(info_nce(a, b, torch.tensor(5.0), nothing).item(), info_nce(b, a, torch.tensor(5.0), nothing).item(), rel_tol=1e-5)
    assert info_nce(a, a, torch.tensor(20.0), nothing) < info_nce(a, b, torch.tensor(20.0), nothing)


def test_an_ignored_negative_has_no_influence():
    a, b = unit(4, 8), unit(4, 8).clone()
    ignore = torch.zeros(4, 4, dtype=torch.bool)
    ignore[0, 1] = ignore[1, 0] = True
    for smoothing in (0.0, 0.1):
        before = torch.autograd.functional.jacobian(lambda s: info_nce(a[:1].expand(4, -1) * 0 + a, s, torch.tensor(5.0), ignore, smoothing), b)
        only_pair = ignore.clone()
        only_pair[:, :] = True  # everything but the diagonal is ignored: no gradient is left
        after = torch.autograd.functional.jacobian(lambda s: info_nce(a, s, torch.tensor(5.0), only_pair, smoothing), b)
        assert before.abs().max() > 1e-3
        assert after.abs().max() < 1e-6


def test_the_logistic_likelihood_is_a_density():
    x = torch.linspace(-40, 40, 80_001, dtype=torch.float64)
    density = torch.exp(-logistic_nll(torch.tensor(1.5, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64), x))
    assert abs(torch.trapezoid(density, x).item() - 1) < 1e-6


def test_signed_log_is_odd_and_grows():
    x = torch.linspace(-50, 50, 101)
    assert torch.allclose(signed_log(-x), -signed_log(x))
    assert (signed_log(x).diff() > 0).all()
