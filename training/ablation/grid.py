"""Grids of experiments: what is trained, drawn and scored in each cell.  TOML files, read and checked; torch-free.

A grid has settings that all of its cells share, and named axes of labelled choices; its cells are the product.
Settings belong to the training (those of `training.config.Config`, ``preset`` among them), to drawing or to scoring::

    title = "Two learning rates"

    [train]
    preset = "demo"

    [score]
    samples = [4]

    [[axes]]
    name = "rate"
    values = [
        { label = "slow", train.fit.learning_rate = 1e-4 },
        { label = "fast", train.fit.learning_rate = 1e-3 },
    ]

An axis of one setting is shorter with ``key = "train.fit.learning_rate"`` and ``values = [1e-4, 1e-3]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from training.ablation.settings import Section, read_toml
from training.config import GridName, Positive, SamplerName
from training.errors import ConfigError
from training.evaluation.cases import Plan

GRIDS = Path(__file__).parent / "grids"
# In the folder of results these are not a grid's: the trainings, and what `ambiseg report` makes.
_TAKEN = ("runs", "report")

Table = Mapping[str, Any]

Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Label = Annotated[str, Field(strict=True, min_length=1, max_length=80, pattern=r"^\S(.*\S)?$")]


class Draw(Section):
    """How masks are drawn; None is the model's own way, see `training.config.SamplingConfig`."""

    sampler: SamplerName | None = None
    steps: Positive | None = None
    grid: GridName | None = None
    eta: Share | None = None
    guidance: Annotated[float, Field(strict=True, ge=0, le=20)] | None = None


class Score(Section):
    """How a model is scored.

    Parameters
    ----------
    split : whose cases
    samples : numbers of masks
    postprocess : r's of the relative-area post-processing
    random_crop : side of the squares that the model sees of larger slices; None is whole slices
    crop_seed, seed : name the places of the squares, and the noise
    cases : the first so many cases of the split; None is all
    checkpoint : the last one of the training, or the one that was best on the val split
    """

    split: Literal["train", "val", "test"] = "val"
    samples: Annotated[tuple[Positive, ...], Field(min_length=1)] = (4, 16)
    postprocess: tuple[Share, ...] = (0.5,)
    random_crop: Positive | None = None
    crop_seed: Seed = 0
    seed: Seed = 0
    cases: Positive | None = None
    checkpoint: Literal["last", "best"] = "last"

    def plan(self) -> Plan:
        """What is scored of each case; a ConfigError for numbers that fit no evaluation."""
        return Plan(samples=self.samples, postprocess=self.postprocess, seed=self.seed)


class Choice(Section):
    """One value of an axis: its label, and the settings that it stands for."""

    label: Label
    train: Table = Field(default_factory=dict)
    draw: Table = Field(default_factory=dict)
    score: Table = Field(default_factory=dict)


class Axis(Section):
    """A named list of choices.

    Parameters
    ----------
    name : short, for files
    title : for tables and figures; the name if left out
    values : the choices; plain values where there is a key
    key : the one setting that varies, such as "train.fit.steps"
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str = ""
    values: Annotated[tuple[Choice, ...], Field(min_length=1)]
    key: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_values_are_choices(cls, found: Any) -> Any:
        if not (isinstance(found, dict) and isinstance(found.get("values"), list)):
            return found
        values, key = found["values"], found.get("key")
        if key is None:
            return found
        part, _, setting = str(key).partition(".")
        if part not in ("train", "draw", "score") or not setting:
            raise ValueError(f"key {key!r} must begin with train, draw or score, such as 'train.fit.steps'")
        if any(isinstance(value, dict | list) for value in values):
            raise ValueError(f"with key = {key!r} the values must be plain, such as [1, 2]")
        return found | {"values": [{"label": plain_label(value), part: {setting: value}} for value in values]}

    @model_validator(mode="after")
    def _labels_differ(self) -> Axis:
        labels = [choice.label for choice in self.values]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValueError(f"the axis {self.name!r} has the label {twice[0]!r} twice; each value needs its own")
        return self


class Absence(Section):
    """Cells that this program cannot make yet, and why."""

    where: Annotated[dict[str, str | tuple[str, ...]], Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Whether the cell with these labels is one of them."""
        return all(labels[axis] in ((wish,) if isinstance(wish, str) else wish) for axis, wish in self.where.items())


class Grid(Section):
    """A grid of experiments.

    Parameters
    ----------
    title : what it is about
    paper : the place in the paper that it belongs to
    paper_split : the split that the paper scores
    train, draw, score : settings of all cells
    axes : what varies; the last one fastest
    missing : cells that cannot be made
    name : of the file, without its ending
    """

    title: Annotated[str, Field(min_length=1)]
    paper: str = ""
    paper_split: Literal["train", "val", "test"] = "val"
    train: Table = Field(default_factory=dict)
    draw: Table = Field(default_factory=dict)
    score: Table = Field(default_factory=dict)
    axes: Annotated[tuple[Axis, ...], Field(min_length=1)]
    missing: tuple[Absence, ...] = ()
    name: str = ""

    @model_validator(mode="after")
    def _names_are_known(self) -> Grid:
        axes = [axis.name for axis in self.axes]
        if twice := sorted({name for name in axes if axes.count(name) > 1}):
            raise ValueError(f"there are two axes {twice[0]!r}; each needs its own name")
        labels = {axis.name: [choice.label for choice in axis.values] for axis in self.axes}
        for absence in self.missing:
            for axis, wish in absence.where.items():
                if axis not in labels:
                    raise ValueError(f"missing: there is no axis {axis!r}; choose one of: {', '.join(labels)}")
                for label in (wish,) if isinstance(wish, str) else wish:
                    if label not in labels[axis]:
                        raise ValueError(f"missing: the axis {axis!r} has no value {label!r}")
        return self

    def combinations(self) -> Iterator[tuple[Choice, ...]]:
        """One choice of each axis, for each cell."""
        return product(*(axis.values for axis in self.axes))

    def labels(self, choices: tuple[Choice, ...]) -> dict[str, str]:
        """Axis -> label."""
        return {axis.name: choice.label for axis, choice in zip(self.axes, choices, strict=True)}


def shipped(folder: Path) -> list[str]:
    """Names of the TOML files that come with the program in that folder."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_grid(name: str) -> Grid:
    """A shipped grid by its name, or one of the user's by the path of its ``.toml`` file.

    Raises
    ------
    ConfigError
        If there is none, or it is wrong.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.stem.replace("-", "").replace("_", "").isalnum() or not path.stem.isascii():
            raise ConfigError(
                f"the results of a grid lie in a folder of its name; {path.stem!r} should be letters, digits, - and _"
            )
        if path.stem in _TAKEN:
            raise ConfigError(f"the folder {path.stem!r} of the results is taken for other things; rename the grid")
    elif name in shipped(GRIDS):
        path = GRIDS / f"{name}.toml"
    else:
        raise ConfigError(f"unknown grid {name!r}; choose one of: {', '.join(shipped(GRIDS))}, or a .toml file")
    return read_toml(path, "grid", Grid).model_copy(update={"name": path.stem})


def plain_label(value: object) -> str:
    """A value as a label: 0.1, 10, ddim."""
    return f"{value:g}" if isinstance(value, float) else str(value)
