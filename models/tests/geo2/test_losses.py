import math

import torch

from geo2.train.losses import consistency_kl, info_nce, logistic_nll


def unit(n: int, d: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(0)), dim=-1)


def loss(ground: torch.Tensor, satellite: torch.Tensor, truth: list[int], scale: float, ignore: torch.Tensor | None = None, smoothing: float = 0.0):
    ignore = torch.zeros(*ground.shape[:2], len(satellite), dtype=torch.bool) if ignore is None else ignore
    return info_nce(ground, satellite, torch.tensor(truth), torch.tensor(scale), ignore, smoothing)


def test_info_nce_of_unrelated_pairs_is_the_logarithm_of_all_candidates():
    ground, satellite = torch.ones(8, 3, 4) / 2, torch.ones(8, 4) / 2
    assert math.isclose(loss(ground, satellite, [0] * 8, 10.0).item(), math.log(8 * 3), rel_tol=1e-5)


def test_info_nce_of_one_hypothesis_is_the_symmetric_cross_entropy_of_torch():
    a, b = unit(16, 32), unit(16, 32).flip(0)
    logits, target = a @ b.t() * 5, torch.arange(16)
    expected = (torch.nn.functional.cross_entropy(logits, target) + torch.nn.functional.cross_entropy(logits.t(), target)) / 2
    assert math.isclose(loss(a[:, None], b, [0] * 16, 5.0).item(), expected.item(), rel_tol=1e-5)


def test_info_nce_falls_when_the_right_hypothesis_matches_and_rises_when_a_wrong_one_does():
    a, noise = unit(16, 32), unit(48, 32)[16:].reshape(16, 2, 32)
    right, wrong = torch.cat([noise, a[:, None]], dim=1), torch.cat([a[:, None], noise], dim=1)
    assert loss(right, a, [2] * 16, 20.0) < loss(noise, a, [1] * 16, 20.0) < loss(wrong, a, [2] * 16, 20.0)


def test_an_ignored_candidate_has_no_influence_and_the_positive_always_has():
    a, b = unit(12, 8).reshape(4, 3, 8), unit(4, 8)
    everything = torch.ones(4, 3, 4, dtype=torch.bool)
    for smoothing in (0.0, 0.1):
        before = torch.autograd.functional.jacobian(lambda s: loss(a, s, [1, 0, 2, 1], 5.0, None, smoothing), b)
        after = torch.autograd.functional.jacobian(lambda s: loss(a, s, [1, 0, 2, 1], 5.0, everything, smoothing), b)
        assert before.abs().max() > 1e-3
        assert after.abs().max() < 1e-6, "only the positives are left, each certain"


def test_the_consistency_loss_is_symmetric_zero_for_equal_views_and_what_torch_calls_the_divergence():
    a, b = unit(8, 16), unit(8, 16).flip(0)
    log_p, log_q = (torch.log_softmax(f / 0.2, dim=-1) for f in (a, b))
    forth = torch.nn.functional.kl_div(log_q, log_p, log_target=True, reduction="batchmean")
    back = torch.nn.functional.kl_div(log_p, log_q, log_target=True, reduction="batchmean")
    assert math.isclose(consistency_kl(a, b, 0.2).item(), (forth + back).item(), rel_tol=1e-5)
    assert consistency_kl(a, b, 0.2).equal(consistency_kl(b, a, 0.2)) and consistency_kl(a, a, 0.2) == 0
    assert consistency_kl(a, b, 0.05) > consistency_kl(a, b, 0.2)


def test_the_logistic_likelihood_is_a_density():
    x = torch.linspace(-40, 40, 80_001, dtype=torch.float64)
    density = torch.exp(-logistic_nll(torch.tensor(1.5, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64), x))
    assert abs(torch.trapezoid(density, x).item() - 1) < 1e-6
