"""The parts of the check: what each needs, how long it may take, and what of the targets it answers.  Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from training.errors import ConfigError

# What a package that cannot be imported costs.
_ALWAYS = dict.fromkeys(("torch", "numpy", "pydantic", "psutil"), "measurement at all")
_MODELS = {"safetensors": "trained model: no masks, no evaluation"}
_SLICES = dict.fromkeys(("h5py", "filelock", "scipy", "skimage"), "evaluation")
_OPTIONAL: Mapping[str, str] = {
    "pytest": "test of the device",
    "monai": "MONAI beside us",
    "diffusers": "diffusers beside us",
}


@dataclass(frozen=True)
class Part:
    """One part.

    Parameters
    ----------
    name : on the command line, and of its file
    title : on the page
    minutes : that it gets at most
    targets : that it answers
    needs : packages without which it cannot run
    """

    name: str
    title: str
    minutes: float
    targets: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Those of its needs that cannot be imported here."""
        return [package for package in (*_ALWAYS, *self.needs) if not is_importable(package)]


# In the order in which they are worth having, should the time not suffice for all.
PARTS = (
    Part("machine", "The machine", 0.7),
    Part(
        "same-masks",
        "The same masks",
        1.5,
        ("same-fp32", "same-bf16", "graph", "split-fp32", "split-bf16"),
        (*_MODELS,),
    ),
    Part("sampling", "Drawing 16 masks", 0.9, ("sampling-16",), (*_MODELS,)),
    Part("training", "Training steps", 0.9, ("training-step",)),
    Part("many-masks", "Drawing 256 masks", 0.6, ("sampling-256",), (*_MODELS,)),
    Part("evaluation", "An evaluation, end to end", 1.6, ("evaluation", "scoring"), (*_MODELS, *_SLICES)),
    Part("waiting", "What a training waits for", 0.6, ("waiting",)),
    Part("memory", "Memory", 0.6, ("memory-unload", "memory-process"), (*_MODELS,)),
    Part("losses", "The same training", 1.0, ("losses-fp32", "losses-bf16")),
    Part("device-tests", "The tests of the device", 2.0, ("device-tests",), ("pytest",)),
)


def chosen(names: Sequence[str]) -> list[Part]:
    """The parts of those names, in their own order, the machine first of all; no name is all of them.

    Raises
    ------
    ConfigError
        On a name that there is not.
    """
    known = [part.name for part in PARTS]
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown part {name!r}; choose from: {', '.join(known)}")
    return [part for part in PARTS if not names or part.name in names or part.name == PARTS[0].name]


def is_importable(package: str) -> bool:
    """Whether there is such a package, which is not imported for it."""
    return find_spec(package) is not None


def missing_packages() -> list[str]:
    """One line for each package that is missing, with what that costs."""
    costs = {**_ALWAYS, **_MODELS, **_SLICES, **_OPTIONAL}
    missing = [(package, cost) for package, cost in costs.items() if not is_importable(package)]
    return [f"{package} is not installed; without it there is no {cost}" for package, cost in missing]
