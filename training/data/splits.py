"""Dividing patients into train, val and test, so that no patient is ever in two of them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping

from training.errors import ConfigError

SPLITS = ("train", "val", "test")


def split_patients(
    patients: Iterable[str], fractions: tuple[float, float, float] = (0.6, 0.2, 0.2), *, seed: int
) -> Mapping[str, str]:
    """Assign each patient to a split, at random but the same for the same patients and seed on every machine.

    The sorted unique identifiers are shuffled with Python's Mersenne Twister and cut at ``floor(f n + 1/2)``.
    With the default fractions and seed 1234 this is the one seeded division of LIDC in the field's code, GP-UNet's:
    525/175/175 of 875 studies.

    Parameters
    ----------
    patients : identifiers, in any order, repeated at will
    fractions : shares of train, val and test; they sum to 1
    seed : 0 or larger

    Returns
    -------
    The split's name for each patient.

    Raises
    ------
    ConfigError
        On negative fractions or fractions that do not sum to 1, a negative seed, or no patient at all.
    """
    if len(fractions) != 3 or not all(0 <= share <= 1 for share in fractions):
        raise ConfigError(f"fractions of train, val and test must be three numbers in [0, 1], got {fractions}")
    if not math.isclose(sum(fractions), 1, abs_tol=1e-9):
        raise ConfigError(
            f"fractions of train, val and test must sum to 1, got {fractions} with sum {sum(fractions):g}"
        )
    if seed < 0:
        # random.Random drops the sign, so -5 would silently be another name for 5.
        raise ConfigError(f"the seed of a split must be 0 or larger, got {seed}")
    unique = sorted(set(patients))
    if not unique:
        raise ConfigError("there are no patients to split; at least one is needed")
    n_train, n_val = (math.floor(share * len(unique) + 0.5) for share in fractions[:2])
    random.Random(seed).shuffle(unique)  # noqa: S311  (a reproducible division, nothing secret)
    names = ["train"] * n_train + ["val"] * n_val + ["test"] * len(unique)
    return dict(zip(unique, names, strict=False))
