"""Synthetic slices whose experts' distribution is known exactly.

A phantom has as many experts as one asks for, which real data never do, so that the true distance between a
model's masks and the experts' can be computed.  Its statistics follow LIDC-IDRI's: how many of the four
experts see anything, and how far apart two of them are.

**One expert** sees the nodule with probability p, a smooth function of what shows in the picture (its size,
density and margin).  Who sees it outlines it with a personal bias of scale and a few angular harmonics, both
wider for vaguer margins; a part-solid nodule is outlined around its core or around its halo.

**A panel** is K = 4 such experts.  As in LIDC-IDRI, a slice is in the data because somebody marked it: panels
in which nobody does are rejected.  So one expert of an accepted panel sees the nodule with probability

    q = p / (1 - (1 - p)**K)

and, where so, draws as above, whatever the others do.  `PhantomCase.draw_experts` draws from this marginal.
Within a panel who sees is not independent (one at least must): the panel is 4 draws of q only for p near 1.

Everything is a pure function of (seed, size, index), whatever the order or batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb, expit, ndtr

from training.data.anatomy import N_COEFFICIENTS, N_ORDERS, Nodule, Scan, render_slice, window
from training.data.splits import SPLITS, split_patients
from training.errors import ConfigError
from training.records import AnnotatedSlice, BoolArray

#: K, the experts of a panel.
PANEL_SIZE = 4
#: Neighbouring indices that share a patient.
SLICES_PER_PATIENT = 4

# Each kind of randomness has its own stream, so that changing one leaves the others as they are.
_SCAN, _NODULE, _PICTURE, _PANEL, _EXPERTS = range(5)

# Standard normal numbers that make one expert: scale, choice of core or halo, harmonics.
_N_TRAITS = 2 + N_COEFFICIENTS

_ORDERS = np.tile(np.arange(1, N_ORDERS + 1), 2)
_KEY = re.compile(r"phantom-s(\d+)-(\d+)px-(\d+)")

# Tuned on 8,000 cases to LIDC-IDRI's anchors, which tests/training/data/test_phantom.py names.  The demo
# model was trained on this distribution: other values here are another data set.
_SLOPE = 2.85
_SIZE_WEIGHT = 1.0
_DENSITY_WEIGHT = 1.4
_MARGIN_WEIGHT = 0.5
_MIDPOINT = -0.33
_SPREAD = 0.055
_SPREAD_BY_MARGIN = 0.58


@dataclass(frozen=True, eq=False)
class PhantomCase:
    """A synthetic slice, and the distribution that its experts come from.

    Parameters
    ----------
    slice : the picture and one panel's masks
    nodule : what is really there
    presence : q, the probability that one expert of an accepted panel draws a non-empty mask
    seed, index : what names the case, with the slice's size
    """

    slice: AnnotatedSlice
    nodule: Nodule
    presence: float
    seed: int
    index: int

    def draw_experts(self, n: int, seed: int) -> BoolArray:
        """Masks (n, H, W) of ``n`` independent experts from the exact marginal of an accepted panel.

        Mask ``i`` depends on (case, ``seed``, ``i``) alone: drawing more leaves the first ones as they are.
        They are independent of the slice's own panel too.

        Raises
        ------
        ConfigError
            For fewer than one expert, or a negative seed.
        """
        if n < 1 or seed < 0:
            raise ConfigError(f"phantom experts: n must be >= 1 and the seed >= 0, got n {n} and seed {seed}")
        size = len(self.slice.image)
        chance = _stream(self.seed, size, _EXPERTS, self.index, seed).standard_normal((n, 1 + _N_TRAITS))
        sees = ndtr(chance[:, 0]) < self.presence
        return _outline(self.nodule, sees, chance[:, 1:], size)


def phantom_case(index: int, seed: int, size: int = 128) -> PhantomCase:
    """The phantom of this name: the same one whenever and wherever it is asked for.

    Parameters
    ----------
    index : >= 0; `SLICES_PER_PATIENT` neighbours share a patient, thus a scanner
    seed : >= 0, names the data set
    size : pixels of a side, a multiple of 8 from 32; smaller pictures are crops at the same scale

    Raises
    ------
    ConfigError
        On an index, seed or size outside these ranges.
    """
    if index < 0 or seed < 0:
        raise ConfigError(f"phantom: index and seed must be >= 0, got index {index} and seed {seed}")
    if size < 32 or size % 8:
        raise ConfigError(f"phantom: size must be a multiple of 8 and at least 32, got {size}")
    patient = index // SLICES_PER_PATIENT
    scan = Scan.random(_stream(seed, size, _SCAN, patient))
    nodule = _random_nodule(_stream(seed, size, _NODULE, index), size)
    p = _presence(nodule)
    panel = _stream(seed, size, _PANEL, index)
    sees = _panel_that_sees(p, panel)
    annotated = AnnotatedSlice(
        image=render_slice(nodule, scan, size, _stream(seed, size, _PICTURE, index)),
        masks=_outline(nodule, sees, panel.standard_normal((PANEL_SIZE, _N_TRAITS)), size),
        patient=f"phantom-s{seed}-p{patient:06d}",
        key=f"phantom-s{seed}-{size}px-{index:06d}",
        spacing_mm=(scan.spacing_mm, scan.spacing_mm),
    )
    return PhantomCase(annotated, nodule, float(p / -np.expm1(PANEL_SIZE * np.log1p(-p))), seed, index)


def phantom_splits(cases: int, seed: int, size: int = 128) -> dict[str, Iterator[AnnotatedSlice]]:
    """The first ``cases`` phantoms as train, val and test, as `split_indices` says; each split is made lazily."""

    def slices(indices: list[int]) -> Iterator[AnnotatedSlice]:
        for index in indices:
            yield phantom_case(index, seed, size).slice

    return {split: slices(indices) for split, indices in split_indices(cases, seed).items()}


def split_indices(cases: int, seed: int) -> dict[str, list[int]]:
    """Which of the first ``cases`` phantoms are in train, val and test: 60/20/20 by patient, in rising order.

    Raises
    ------
    ConfigError
        For fewer than 5 patients, which leave a split empty.
    """
    if cases <= 4 * SLICES_PER_PATIENT:
        raise ConfigError(
            f"phantom: {cases} cases are too few to split; {SLICES_PER_PATIENT} neighbours share a patient and "
            f"5 patients are needed, so give at least {4 * SLICES_PER_PATIENT + 1}"
        )
    patient_of = [f"{index // SLICES_PER_PATIENT:09d}" for index in range(cases)]
    split_of = split_patients(patient_of, seed=seed)
    return {split: [at for at, patient in enumerate(patient_of) if split_of[patient] == split] for split in SPLITS}


def is_phantom(key: str) -> bool:
    """Whether a slice's key is that of a phantom, or of a part of one."""
    return _KEY.match(key) is not None


def _stream(*name: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(name)))


def _random_nodule(rng: np.random.Generator, size: int) -> Nodule:
    """A nodule near the middle: solid, ground-glass or part-solid, with LIDC's long-tailed sizes."""
    kind = rng.choice(3, p=(0.58, 0.27, 0.15))
    jitter = rng.normal(0, 2.2 if rng.random() < 0.8 else 6.0, 2) * size / 128
    radius = 3.5 * np.exp(0.45 * rng.standard_normal()) * (rng.uniform(1.5, 3) if rng.random() < 0.16 else 1)
    radius = float(np.clip(radius, 1.8, 0.15 * size))
    lobes = rng.standard_normal(N_COEFFICIENTS) * 0.16 / _ORDERS * (_ORDERS > 1)
    margin, shade, share = rng.random(3)
    core = core_density = 0.0
    if kind == 0:
        softness, density = 0.05 + 0.13 * margin, 0.45 + 0.55 * shade
    elif kind == 1:
        radius *= 1.15
        softness, density = 0.10 + 0.20 * margin, 0.20 + 0.30 * shade
    else:
        radius = min(max(1.4 * radius, 4.0), 0.17 * size)
        softness, density = 0.06 + 0.10 * margin, 0.25 + 0.20 * shade
        core, core_density = 0.5 + 0.2 * share, 0.75 + 0.25 * shade
    row, column = size / 2 + jitter
    return Nodule(float(row), float(column), radius, lobes, radius * softness, density, core, core_density)


def _presence(nodule: Nodule) -> float:
    """p: how likely one expert is to mark this nodule, from what shows of it.

    A part-solid nodule is as dense as the mean of its core and its halo.
    """
    density = (2 * nodule.density + nodule.core_density) / 3 if nodule.core else nodule.density
    conspicuity = (
        _SIZE_WEIGHT * np.log(nodule.radius / 4)
        + _DENSITY_WEIGHT * np.log(density / 0.5)
        - _MARGIN_WEIGHT * np.log(nodule.softness / nodule.radius / 0.12)
    )
    return float(expit(np.clip(_SLOPE * conspicuity + _MIDPOINT, -8, 8)))


def _panel_that_sees(p: float, rng: np.random.Generator) -> BoolArray:
    """(K,) who of an accepted panel sees the nodule: K trials of ``p`` given at least one success.

    The number of successes is binomial without its zero, all orders alike: rejection without the wait.
    """
    counts = np.arange(1, PANEL_SIZE + 1)
    chance = comb(PANEL_SIZE, counts) * p**counts * (1 - p) ** (PANEL_SIZE - counts)
    n_seeing = rng.choice(counts, p=chance / chance.sum())
    seeing: BoolArray = rng.permutation(PANEL_SIZE) < n_seeing
    return seeing


def _outline(nodule: Nodule, sees: BoolArray, traits: NDArray[np.float64], size: int) -> BoolArray:
    """Masks (n, size, size) of experts with these ``traits`` (n, _N_TRAITS); empty where one does not see."""
    vagueness = nodule.softness / (nodule.radius * nodule.density)  # the less steep the margin, the more
    spread = _SPREAD + _SPREAD_BY_MARGIN * vagueness / (1 + vagueness)
    rows, columns = (window(centre, 3 * nodule.extent, size) for centre in (nodule.row, nodule.column))
    distance, basis = nodule.polar(rows, columns)
    on_core = (ndtr(traits[:, 1]) < 0.5) & (nodule.core > 0)
    scale = np.where(on_core, nodule.core, 1.0) * nodule.radius * np.exp(spread * np.clip(traits[:, 0], -2, 2))
    series = nodule.lobes + 0.5 * spread * traits[:, 2:] / _ORDERS
    inside = distance < scale[:, None, None] * np.exp(np.tensordot(series, basis, 1))
    # Whoever sees a nodule smaller than a pixel still marks that pixel.
    inside |= distance == distance.min()
    masks = np.zeros((len(traits), size, size), np.bool_)
    masks[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = inside & sees[:, None, None]
    return masks
