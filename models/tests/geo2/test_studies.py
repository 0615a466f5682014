"""The studies: how they name and join what they measure. That they run is in test_recipe.py, where a run is at hand."""

from pathlib import Path

import pytest

from geo2.config import load_config
from geo2.evaluate.synthesis import plain_row
from geo2.studies.encoders import DEFAULT, with_encoder
from geo2.studies.joint import Grid, markdown, over_seeds

TINY = load_config(Path(__file__).parents[2] / "configs" / "geo2" / "tiny.yaml")


def test_an_encoder_is_named_by_its_features_and_channels():
    rae = with_encoder(TINY, "cnn4+gfm8:40").rae
    assert (rae.encoder, rae.channels) == (("cnn4", "gfm8"), 40)
    assert all(with_encoder(TINY, spec) for spec in DEFAULT)
    for wrong in ("vgg", "cnn8:many", "cnn8:41", "cnn8+cnn8"):
        with pytest.raises(ValueError, match=r"expected"):
            with_encoder(TINY, wrong)


def test_without_the_consistency_loss_there_is_one_system_whatever_the_temperature():
    variants = Grid((0.0, 0.1), (0.01, 1.0), (0,)).variants()
    assert variants == {"no-kl": (0.0, 0.01), "joint beta 0.1 tau 0.01": (0.1, 0.01), "joint beta 0.1 tau 1": (0.1, 1.0)}


def test_seeds_become_a_mean_with_its_spread_and_a_line_of_the_table():
    seeds = [[plain_row("no-kl", "s", "ground_to_satellite", "fd_gfm", value, 5)] for value in (1.0, 2.0, 3.0)]
    (row,) = over_seeds(seeds)
    assert (row["value"], row["sd"], row["seeds"]) == (2.0, 1.0, 3) and row["ci95"] == pytest.approx([2 - 1.1316, 2 + 1.1316], abs=1e-3)
    before = plain_row("no-joint", "s", "ground_to_satellite", "fd_gfm", 4.0, 5)
    assert markdown([before, row]).splitlines()[2:] == ["| no-joint | 4 |", "| no-kl | 2 ± 1 |"]
