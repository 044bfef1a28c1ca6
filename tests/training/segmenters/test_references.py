"""The experts' oracle and always-empty."""

import numpy as np
import pytest

from training.errors import ConfigError
from training.records import AnnotatedSlice
from training.segmenters.experts import REFERENCES, AlwaysEmpty, ExpertsOracle


@pytest.fixture
def case():
    masks = np.zeros((3, 4, 4), bool)
    masks[np.arange(3), np.arange(3), 0] = True
    return AnnotatedSlice(np.zeros((4, 4), np.float32), masks, "p", "k")


def test_the_oracle_draws_every_expert_alike(case):
    drawn = ExpertsOracle().given(case).draw(case.image, 3000, seed=0).masks
    shares = drawn[:, :3, 0].mean(axis=0)
    np.testing.assert_allclose(shares, 1 / 3, atol=5 * np.sqrt(2 / 9 / 3000))
    assert (drawn.sum(axis=(1, 2)) == 1).all()


def test_the_oracles_samples_do_not_depend_on_their_number(case):
    oracle = ExpertsOracle().given(case)
    few, many = (oracle.draw(case.image, n, seed=5).masks for n in (3, 9))
    np.testing.assert_array_equal(many[:3], few)


def test_the_oracle_needs_annotations(case):
    with pytest.raises(ConfigError, match="give it a case"):
        ExpertsOracle().draw(case.image, 1, seed=0)


def test_always_empty_draws_nothing(case):
    drawn = AlwaysEmpty().given(case).draw(case.image, 5, seed=0).masks
    assert drawn.shape == (5, 4, 4)
    assert not drawn.any()


@pytest.mark.parametrize("reference", [ExpertsOracle(), AlwaysEmpty()])
def test_at_least_one_sample_is_drawn(reference, case):
    with pytest.raises(ConfigError, match="got 0"):
        reference.given(case).draw(case.image, 0, seed=0)


def test_a_reference_is_chosen_by_the_name_that_it_has():
    assert {name: reference.segmenter.name for name, reference in REFERENCES.items()} == {
        "experts": "experts",
        "empty": "empty",
    }
