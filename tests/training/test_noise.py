"""Noise fields: the published words of the generator, normality, and independence of how they are asked for."""

import pytest
import torch

from training.errors import ConfigError
from training.noise import normal_fields, philox
from training.rng import Purpose

SAMPLING, TRAINING = Purpose.SAMPLING_NOISE, Purpose.TRAINING_NOISE


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_its_authors_known_answers(counter, key, words):
    """The test vectors that come with the authors' own implementation (Random123, kat_vectors)."""
    assert [int(word) for word in philox(tuple(torch.tensor(c) for c in counter), key)] == words


def test_numbers_that_every_published_mask_starts_from():
    """Never to change: seeds in layers, files and results name these."""
    field = normal_fields(7, SAMPLING, [3], 2, (5,))
    expected = torch.tensor([[-0.66288328, -0.03204056, -2.25640416, -0.98644739, -0.20121677]])
    torch.testing.assert_close(field, expected, atol=1e-6, rtol=0)


def test_fields_are_standard_normal_and_independent():
    fields = normal_fields(1, SAMPLING, range(64), 0, (64, 64)).double()
    n = fields.numel()
    assert abs(float(fields.mean())) < 5 / n**0.5
    assert abs(float(fields.var()) - 1) < 5 * (2 / n) ** 0.5
    assert abs(float((fields**4).mean()) - 3) < 5 * (96 / n) ** 0.5
    for lag in (1, 2, 3, 4, 64):
        flat = fields.flatten()
        assert abs(float((flat[lag:] * flat[:-lag]).mean())) < 5 / n**0.5
    assert abs(float((fields[1:] * fields[:-1]).mean())) < 5 / n**0.5


def test_a_field_does_not_depend_on_what_is_asked_for_beside_it():
    many = normal_fields(5, SAMPLING, range(8), 3, (1, 6, 7))
    alone = torch.cat([normal_fields(5, SAMPLING, [i], 3, (1, 6, 7)) for i in range(8)])
    assert torch.equal(many, alone)
    assert torch.equal(normal_fields(5, SAMPLING, torch.arange(8), 3, (1, 6, 7)), many)


@pytest.mark.parametrize(
    "other",
    [(6, SAMPLING, 1, 3), (5, TRAINING, 1, 3), (5, SAMPLING, 2, 3), (5, SAMPLING, 1, 4), (5 + 2**32, SAMPLING, 1, 3)],
)
def test_each_of_seed_purpose_id_and_step_names_another_field(other):
    seed, purpose, id_, step = other
    one = normal_fields(5, SAMPLING, [1], 3, (64,))
    assert not bool((normal_fields(seed, purpose, [id_], step, (64,)) == one).any())


def test_ids_beyond_32_bits_are_their_own():
    low, high = normal_fields(0, SAMPLING, [1, 1 + 2**32], 0, (64,))
    assert not bool((low == high).any())


def test_impossible_places_are_refused():
    with pytest.raises(ConfigError, match="seed must be between 0"):
        normal_fields(-1, SAMPLING, [0], 0, (4,))
    with pytest.raises(ConfigError, match="step of a noise field must be between 0 and 16777215, got 16777216"):
        normal_fields(0, SAMPLING, [0], 2**24, (4,))


@pytest.mark.cuda
def test_a_gpu_makes_the_same_fields():
    here = normal_fields(9, SAMPLING, range(16), 1, (128, 128))
    there = normal_fields(9, SAMPLING, range(16), 1, (128, 128), "cuda").cpu()
    torch.testing.assert_close(there, here, atol=1e-6, rtol=1e-6)
