"""The demo cases: synthetic slices made on the spot, so that the first minute needs neither file nor network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_ambiseg.layers.roles import LayerData
    from napari_ambiseg.survey import Cases
    from training.records import AnnotatedSlice

DEMO = "demo cases"
SPLIT = "synthetic"  # the one split of theirs
_SEED, _COUNT = 20, 24


@dataclass(frozen=True)
class PhantomCases:
    """``count`` synthetic cases, each drawn when it is asked for.

    Parameters
    ----------
    seed : names the whole set
    """

    count: int = _COUNT
    seed: int = _SEED

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Identifier of each case."""
        return tuple(f"synthetic {index + 1:02d}" for index in range(self.count))

    @cached_property
    def patients(self) -> tuple[str, ...]:
        """Patient of each case."""
        from training.data.phantom import SLICES_PER_PATIENT

        return tuple(f"phantom {index // SLICES_PER_PATIENT + 1}" for index in range(self.count))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> AnnotatedSlice:
        from training.data.phantom import phantom_case

        if not 0 <= index < self.count:
            raise IndexError(f"demo case {index} of {self.count}")
        return phantom_case(index, self.seed).slice


@dataclass(frozen=True)
class DemoSet:
    """The demo cases in the form of an opened file: one split."""

    @property
    def splits(self) -> Mapping[str, Cases]:
        """The one split by its name."""
        return {SPLIT: PhantomCases()}

    def close(self) -> None:
        """Nothing to let go of; a file has something."""


def demo_cases() -> list[LayerData]:
    """npe2 sample data: the first demo case; the case browser, where it is open, lists the others."""
    from napari_ambiseg.layers.case import opened_layers
    from napari_ambiseg.layers.roles import Origin

    return opened_layers(PhantomCases()[0], Origin(DEMO, SPLIT, 0))


def demo_set() -> list[LayerData]:
    """npe2 sample data: all demo cases as two plain stacks (case, y, x), the slices and the experts' votes."""
    import numpy as np

    cases = [PhantomCases()[index] for index in range(_COUNT)]
    spacing = cases[0].spacing_mm
    place = {"axis_labels": ("case", "y", "x"), "scale": (1.0, *(spacing or (1.0, 1.0)))}
    n_experts = len(cases[0].masks)
    slices = np.stack([case.image for case in cases])
    votes = np.stack([case.masks.sum(axis=0, dtype=np.uint8) for case in cases])
    return [
        (slices, {"name": "demo slices", "contrast_limits": (0, 1), **place}, "image"),
        (votes, {"name": f"votes of {n_experts} experts", "opacity": 0.5, **place}, "labels"),
    ]
