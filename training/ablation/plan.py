"""What a grid means on given data at a given scale: its cells, and the trainings that they need; torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from training.ablation.data import Data, read_data
from training.ablation.grid import Axis, Choice, Draw, Grid, Score
from training.ablation.names import digest, run_digest, slug
from training.ablation.scale import Scale
from training.ablation.settings import Settings, flat, resolved
from training.config import Config
from training.errors import ConfigError
from training.presets import PRESETS

Part = TypeVar("Part", bound=BaseModel)

#: Presets that shipped grids name and that this version does not have yet.
PLANNED_PRESETS = ("phiseg", "prob-unet-aa", "prob-unet-aa-mix", "prob-unet-fc", "prob-unet-fc-mix")

_LONGEST_NAME = 150  # of a cell's files, without digest and ending; file systems allow 255 bytes


@dataclass(frozen=True)
class Run:
    """One training, which any number of cells may share, of any grid.

    Parameters
    ----------
    name : of its folder: readable, then a digest of the resolved configuration and the data
    config : what is trained
    """

    name: str
    config: Config


@dataclass(frozen=True)
class Cell:
    """One cell of a grid.

    Parameters
    ----------
    id : of its files: readable, then a digest of everything that its scores depend on
    labels : axis -> label
    run : what is trained for it; None if that cannot be
    draw, score : how its model draws, and is scored
    absent : why there is no run
    """

    id: str
    labels: Mapping[str, str]
    run: Run | None
    draw: Draw
    score: Score
    absent: str = ""

    @property
    def title(self) -> str:
        """Its labels in one line."""
        return ", ".join(self.labels.values())


@dataclass(frozen=True)
class Ablation:
    """A grid on given data at a given scale.

    Parameters
    ----------
    changed : setting -> the values that the grid has, and those that are used instead
    left_out : values of axes that the scale leaves out, with the reason
    settings : of the command line, over all trainings
    """

    grid: Grid
    scale: Scale
    data: Data
    cells: tuple[Cell, ...]
    settings: Settings = field(default_factory=dict)
    changed: Mapping[str, tuple[Sequence[Any], Sequence[Any]]] = field(default_factory=dict)
    left_out: tuple[tuple[str, str, str], ...] = ()

    @property
    def folder(self) -> str:
        """Of its results: the grid's name, and the split unless it is val."""
        return self.grid.name + ("" if self.data.split == "val" else f"-{self.data.split}")

    @property
    def runs(self) -> tuple[Run, ...]:
        """The trainings, each once, in the order of the cells that need them first."""
        return tuple({cell.run.name: cell.run for cell in self.cells if cell.run is not None}.values())

    @property
    def is_as_printed(self) -> bool:
        """Whether the settings are the grid's own, so that only the data may differ from the paper's."""
        return self.scale.is_full and not self.settings

    def of_part(self, part: int, parts: int) -> tuple[Cell, ...]:
        """The cells whose training is the ``part``-th of every ``parts``, counted from 0.

        Raises
        ------
        ConfigError
            If there is no such part.
        """
        if not 0 <= part < parts:
            raise ConfigError(
                f"there is no part {part} of {parts}; parts are counted from 0, so 0/{parts} to {parts - 1}/{parts}"
            )
        mine = {run.name for run in self.runs[part::parts]}
        return tuple(cell for cell in self.cells if (cell.run.name in mine if cell.run else part == 0))


def plan_ablation(
    grid: Grid, data: Sequence[Path], scale: Scale, settings: Settings | None = None, split: str | None = None
) -> Ablation:
    """Resolve every cell of a grid.

    Parameters
    ----------
    grid, scale : what to do
    data : files; those with a train split are trained on, the first with the scored split is scored
    settings : of all trainings, over the grid and the scale
    split : instead of the grid's

    Raises
    ------
    ConfigError
        If a setting does not fit, the scale or ``settings`` touch what an axis varies, or two cells are the same.
    DataFormatError
        If a file cannot be read.
    """
    wish, found = settings or {}, _scored_split(grid, split)
    facts = read_data(data, found)
    _require_apart(grid, scale, wish)
    axes, left_out = _within_limits(grid, scale)
    grid_here = grid.model_copy(update={"axes": axes})
    resolver = _Resolver(grid_here, facts, scale, wish)
    cells = tuple(resolver.cell(choices) for choices in grid_here.combinations())
    _require_distinct(grid, cells)
    return Ablation(grid_here, scale, facts, cells, wish, resolver.changed, left_out)


class _Resolver:
    """Makes cells of choices, and notes what the scale and the user's settings change."""

    def __init__(self, grid: Grid, data: Data, scale: Scale, settings: Settings) -> None:
        self._grid, self._data, self._scale, self._settings = grid, data, scale, settings
        self.changed: dict[str, tuple[list[Any], list[Any]]] = {}

    def cell(self, choices: tuple[Choice, ...]) -> Cell:
        labels = self._grid.labels(choices)
        try:
            draw, score = self._draw(choices), self._score(choices)
            run, absent = self._run(labels, choices)
        except ConfigError as error:
            raise ConfigError(f"grid {self._grid.name!r}, cell {', '.join(labels.values())}: {error}") from None
        known_by = digest(
            {
                "labels": labels if run is None else None,
                "run": run and run.name,
                "data": self._data.scored.sha256,
                "draw": draw.model_dump(exclude_defaults=True),
                "score": score.model_dump(exclude_defaults=True) | {"split": score.split},
            }
        )
        parts = [slug(label) for label in labels.values()]
        scale = [] if self._scale.is_full else [slug(self._scale.name)]
        readable = "_".join([*parts, *scale])[:_LONGEST_NAME]
        return Cell(f"{readable}_{known_by[:8]}", labels, run, draw, score, absent)

    def _run(self, labels: Mapping[str, str], choices: tuple[Choice, ...]) -> tuple[Run | None, str]:
        for absence in self._grid.missing:
            if absence.covers(labels):
                return None, absence.reason
        train = _merged(self._grid.train, *(choice.train for choice in choices))
        preset = train.pop("preset", None)
        if preset is None:
            raise ConfigError("no preset; name one in the grid, such as preset = 'paper-128' under [train]")
        if preset in PLANNED_PRESETS and preset not in PRESETS:
            return None, f"the preset {preset!r} is not there yet"
        plain = flat(resolved(train, str(preset)).model_dump(mode="json"))
        config = resolved(train | self._scale.training(plain) | self._settings, str(preset))
        self._note(plain, flat(config.model_dump(mode="json")))
        _require_large_enough(config, self._data)
        scale = "" if self._scale.is_full else f"-{slug(self._scale.name)}"
        kind = slug(f"{config.preset}-{config.diffusion.prediction}-{config.diffusion.weighting}")
        return Run(f"{kind}{scale}-{run_digest(config, self._data.training)[:10]}", config), ""

    def _draw(self, choices: tuple[Choice, ...]) -> Draw:
        plain = _merged(self._grid.draw, *(choice.draw for choice in choices))
        most, used = self._scale.draw.most_steps, dict(plain)
        if most is not None and isinstance(plain.get("steps"), int):
            used["steps"] = min(plain["steps"], most)
        draw = _section(Draw, used, "draw")
        self._note({f"draw.{key}": plain[key] for key in plain}, {f"draw.{key}": used[key] for key in plain})
        return draw

    def _score(self, choices: tuple[Choice, ...]) -> Score:
        if any("split" in choice.score for choice in choices):
            raise ConfigError("the scored split is one for the whole grid; name it under [score], or with --split")
        plain = _merged(self._grid.score, *(choice.score for choice in choices))
        score = _section(Score, plain | {"split": self._data.split}, "score")
        score.plan()  # what cannot be scored is known now, not after the training
        cases = self._scale.cases(score.cases, self._data.cases)
        available = min(score.cases or self._data.cases, self._data.cases)
        self._note({"score.cases": available}, {"score.cases": cases or self._data.cases})
        crop, size = score.random_crop, self._data.scored_pixels
        if crop is not None and min(size) < crop:
            raise ConfigError(
                f"{self._data.scored.path} has slices of {_times(size)} pixels, too small for random squares of "
                f"{crop}; give larger slices"
            )
        if crop is not None and size == (crop, crop):
            crop = None  # the slices are such squares already
        return score.model_copy(update={"cases": cases, "random_crop": crop})

    def _note(self, before: Settings, after: Settings) -> None:
        for key in sorted(before.keys() | after.keys()):
            was, now = before.get(key), after.get(key)
            if was != now:
                olds, news = self.changed.setdefault(key, ([], []))
                olds.extend([was] if was not in olds else [])
                news.extend([now] if now not in news else [])


def _scored_split(grid: Grid, split: str | None) -> str:
    if split is not None:
        return _section(Score, {"split": split}, "score").split
    return _section(Score, {"split": grid.score.get("split", "val")}, "score").split


def _merged(*tables: Mapping[str, Any]) -> Settings:
    """Settings of several tables under their dotted names; of the same setting the last one counts."""
    found: Settings = {}
    for table in tables:
        found |= flat(table)
    return found


def _section(kind: type[Part], settings: Settings, name: str) -> Part:
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([name, *(str(part) for part in first["loc"])])
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"unknown setting {key!r}; known here: {', '.join(kind.model_fields)}") from None
        raise ConfigError(f"setting {key}: {first['msg']}, got {first['input']!r}") from None


def _within_limits(grid: Grid, scale: Scale) -> tuple[tuple[Axis, ...], tuple[tuple[str, str, str], ...]]:
    """The axes without the values that take more sampling steps than the scale allows, and those values."""
    most, axes, left_out = scale.draw.most_steps, [], []
    for axis in grid.axes:
        over = [choice for choice in axis.values if most is not None and _steps(choice) > most]
        if len(over) == len(axis.values):
            raise ConfigError(
                f"the scale {scale.name!r} allows {most} sampling steps and leaves nothing of {axis.name!r}"
            )
        left_out += [(axis.name, choice.label, f"more than {most} sampling steps") for choice in over]
        axes.append(axis.model_copy(update={"values": tuple(c for c in axis.values if c not in over)}))
    return tuple(axes), tuple(left_out)


def _steps(choice: Choice) -> int:
    steps = choice.draw.get("steps")
    return steps if isinstance(steps, int) else 0


def _require_apart(grid: Grid, scale: Scale, settings: Settings) -> None:
    """Refuse to replace a setting that an axis varies: its values would stand there and mean nothing."""
    for source, keys in ((f"the scale {scale.name!r}", flat(scale.train)), ("--set", settings)):
        for axis in grid.axes:
            varied = {key for choice in axis.values for key in flat(choice.train)}
            for key in keys:
                if clash := [one for one in varied if one == key or f"{one}.".startswith(f"{key}.")]:
                    raise ConfigError(f"{source} sets {clash[0]}, which the axis {axis.name!r} varies; leave it out")


def _require_distinct(grid: Grid, cells: Sequence[Cell]) -> None:
    seen: dict[str, Cell] = {}
    for cell in cells:
        if cell.run is None:
            continue
        twin = seen.setdefault(cell.id.rsplit("_", 1)[-1], cell)
        if twin is not cell:
            raise ConfigError(
                f"grid {grid.name!r}: the cells {twin.title!r} and {cell.title!r} come out as the same; choose "
                f"values, or a scale, that keep them apart"
            )


def _require_large_enough(config: Config, data: Data) -> None:
    side = config.image_size
    for file, size in zip(data.training, data.pixels, strict=True):
        if min(size) < side:
            raise ConfigError(
                f"it trains on {side} x {side} pixels and {file.path} has slices of {_times(size)}; give larger "
                f"slices, or a grid of your own with a smaller image_size"
            )


def _times(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))
