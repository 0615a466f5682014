import numpy as np
import pytest

from geo2.evaluate.metrics import hit_rate, nearest_tile, ranks, recall, semi_positives
from geo2.evaluate.report import format_table, share_row, wilson


def test_a_perfect_matrix_recalls_everything_and_a_reversed_one_nothing():
    similarity = np.eye(20)
    truth = np.arange(20)
    assert recall(similarity, truth, 1) == 100
    assert recall(-similarity, truth, 10) == 0


def test_ties_are_strict_in_one_form_and_pessimistic_in_the_other():
    constant, truth = np.ones((5, 30)), np.zeros(5, int)
    assert recall(constant, truth, 1) == 100
    assert recall(constant, truth, 1, pessimistic=True) == 0
    assert ranks(constant, truth, pessimistic=True).tolist() == [29] * 5


def test_recall_is_what_counting_says():
    rng = np.random.default_rng(0)
    similarity, truth = rng.normal(size=(50, 40)), rng.integers(0, 40, 50)
    for k in (1, 5, 10):
        counted = np.mean([truth[i] in np.argsort(-similarity[i])[:k] for i in range(50)])
        assert recall(similarity, truth, k) == pytest.approx(100 * counted)


def test_the_hit_rate_forgives_covering_tiles_only():
    similarity = np.array([[0.5, 0.9, 0.1], [0.5, 0.9, 0.1]])
    covering = np.array([[True, True, False], [True, False, False]])
    assert hit_rate(similarity, np.array([0, 0]), covering) == 50


def test_the_nearest_tile_is_the_truth_and_half_a_tile_covers():
    tiles = np.array([[0.0, 0.0], [35.0, 0.0], [70.0, 0.0]])
    queries = np.array([[17.0, 0.0], [18.0, 3.0], [70.0, 34.9]])
    assert nearest_tile(queries, tiles).tolist() == [0, 1, 2]
    assert semi_positives(queries, tiles).tolist() == [[True, True, False], [True, True, False], [False, True, True]]


def test_the_interval_holds_the_share_and_shrinks_with_the_sample():
    low, high = wilson(30, 100)
    assert low < 30 < high
    narrow = wilson(30, 10_000)
    assert narrow[1] - narrow[0] < (high - low) / 5
    assert wilson(0, 10)[0] == 0 and wilson(100, 10)[1] == 100


def test_a_row_has_the_columns_that_reports_share():
    row = share_row("geo2-mini", "cross_area", "aligned", "r1", 12.3456, 100)
    assert list(row) == ["system", "task", "split", "condition", "metric", "value", "n", "ci95"]
    assert "r1 12.346" in format_table([row])
