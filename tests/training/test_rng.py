"""Noise is a function of its name and of nothing else."""

import numpy as np
import pytest

from training import rng
from training.errors import ConfigError
from training.rng import Purpose

SHAPE = (1, 16, 16)


def field(seed=0, purpose=Purpose.SAMPLING_NOISE, id_=0, step=0):
    return rng.noise(seed, purpose, [id_], step, SHAPE)[0]


def test_a_field_does_not_depend_on_its_batch():
    together = rng.noise(7, Purpose.SAMPLING_NOISE, range(5), 3, SHAPE)
    for i in range(5):
        np.testing.assert_array_equal(together[i], field(7, id_=i, step=3))


@pytest.mark.parametrize("other", [{"seed": 1}, {"purpose": Purpose.TRAINING_NOISE}, {"id_": 1}, {"step": 1}])
def test_every_part_of_the_name_matters(other):
    assert abs(np.corrcoef(field().ravel(), field(**other).ravel())[0, 1]) < 0.2


def test_neighbouring_names_share_no_numbers():
    """Counters are far apart: a long draw of one id does not run into the next."""
    draws = [rng.generator(0, Purpose.SAMPLING_NOISE, id_=i, step=s).random(1000) for i in range(3) for s in range(3)]
    assert len(np.unique(np.concatenate(draws))) == 9000


def test_noise_is_standard_normal():
    values = rng.noise(0, Purpose.SAMPLING_NOISE, range(100), 0, (64, 64))
    assert values.dtype == np.float32
    assert abs(values.mean()) < 5 / np.sqrt(values.size)
    assert abs(values.var() - 1) < 5 * np.sqrt(2 / values.size)
    assert abs((values**4).mean() - 3) < 5 * np.sqrt(96 / values.size)


def test_published_masks_depend_on_these_numbers():
    """Pins the stream: if this fails, every published seed means other masks."""
    np.testing.assert_allclose(field(seed=42, id_=3, step=2).ravel()[:3], PINNED, rtol=1e-6)


PINNED = [0.44234544038772583, 1.3689024448394775, 0.03668922185897827]


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_must_fit_into_64_bits(seed):
    with pytest.raises(ConfigError, match=f"got {seed}"):
        rng.generator(seed, Purpose.SAMPLING_NOISE)
