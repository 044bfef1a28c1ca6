"""STAPLE: a slow reference of its iteration, the cases that it does not define, and what is said without SimpleITK."""

import numpy as np
import pytest

from training.errors import ConfigError, DataFormatError
from training.metrics import staple as module
from training.metrics.staple import staple

needs_simpleitk = pytest.mark.skipif(not module.is_available(), reason="SimpleITK is not installed")


def noisy_experts(n_experts=5, side=24, seed=0):
    """A square, seen by experts who miss and add pixels at rates of their own."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((side, side), bool)
    truth[6:16, 8:18] = True
    missed, added = rng.uniform(0.02, 0.3, n_experts), rng.uniform(0.002, 0.05, n_experts)
    chance = np.where(truth, 1 - missed[:, None, None], added[:, None, None])
    return rng.random((n_experts, side, side)) < chance, truth


def slow_staple(masks, rounds=300):
    """Expectation and maximisation from sensitivities and specificities near 1, with the share of marks as prior."""
    decisions = masks.reshape(len(masks), -1).astype(float)
    prior = decisions.mean()
    p = q = np.full(len(masks), 0.99999)
    for _ in range(rounds):
        with np.errstate(divide="ignore"):
            inside = np.exp(decisions.T @ np.log(p) + (1 - decisions.T) @ np.log1p(-p)) * prior
            outside = np.exp((1 - decisions.T) @ np.log(q) + decisions.T @ np.log1p(-q)) * (1 - prior)
        weight = inside / (inside + outside)
        p, q = decisions @ weight / weight.sum(), (1 - decisions) @ (1 - weight) / (1 - weight).sum()
    return weight.reshape(masks.shape[1:]), p, q


@needs_simpleitk
@pytest.mark.parametrize("seed", range(4))
def test_the_estimate_is_that_of_the_published_iteration(seed):
    masks, _ = noisy_experts(seed=seed)
    found = staple(masks)
    weight, sensitivity, specificity = slow_staple(masks)
    assert found.probability == pytest.approx(weight, abs=2e-3)
    assert found.sensitivity == pytest.approx(sensitivity, abs=2e-3)
    assert found.specificity == pytest.approx(specificity, abs=2e-3)


@needs_simpleitk
def test_it_comes_closer_to_the_truth_than_its_experts():
    masks, truth = noisy_experts()
    assert (staple(masks).mask != truth).sum() < min((mask != truth).sum() for mask in masks)


@needs_simpleitk
@pytest.mark.parametrize("mask", [np.zeros((5, 6), bool), np.ones((5, 6), bool), np.eye(6, dtype=bool)])
@pytest.mark.parametrize("n_experts", [1, 3])
def test_experts_who_agree_are_their_own_estimate(mask, n_experts):
    found = staple(np.repeat(mask[None], n_experts, axis=0))
    assert np.array_equal(found.mask, mask)
    assert found.sensitivity.tolist() == found.specificity.tolist() == [1] * n_experts


def test_without_simpleitk_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="pip install"):
        staple(noisy_experts()[0])


def test_anything_but_masks_is_refused():
    with pytest.raises(DataFormatError, match="annotations"):
        staple(np.zeros((4, 4), bool))
