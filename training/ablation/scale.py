"""Scales: how a grid is shrunk, in settings that are replaced or multiplied, and told wherever its results are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from pydantic import Field

from training.ablation.grid import Table, shipped
from training.ablation.settings import Section, Settings, flat, read_toml
from training.config import Positive
from training.errors import ConfigError

SCALES = Path(__file__).parent / "scales"
FULL = "full"
# What a number multiplies, besides the cases.
_COUNTS = ("fit.steps", "fit.warmup_steps", "fit.decay_steps")


class ScaleDraw(Section):
    """``most_steps``: values of an axis ``draw.steps`` above this are left out, and a fixed number is lowered to it."""

    most_steps: Positive | None = None


class ScaleScore(Section):
    """``cases``: at most the first so many cases are scored."""

    cases: Positive | None = None


class Scale(Section):
    """How a grid is shrunk.

    Parameters
    ----------
    title : what the results at this scale can tell
    train : settings that replace those of every training
    draw, score : limits of drawing and scoring
    factor : of the steps, the warm-up, the decay and the scored cases
    name : "full", the file's name, or the number as it was given
    """

    title: Annotated[str, Field(min_length=1)]
    train: Table = Field(default_factory=dict)
    draw: ScaleDraw = ScaleDraw()
    score: ScaleScore = ScaleScore()
    factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    name: str = ""

    @property
    def is_full(self) -> bool:
        """Whether nothing is changed."""
        return self.name == FULL

    def training(self, config: Settings) -> Settings:
        """What replaces settings of a training whose flat configuration this is."""
        scaled = {key: max(min(1, config[key]), round(self.factor * config[key])) for key in _COUNTS}
        if self.factor == 1:
            scaled = {}
        else:
            ramps = scaled["fit.warmup_steps"] + scaled["fit.decay_steps"] - scaled["fit.steps"]
            scaled["fit.warmup_steps"] = max(0, scaled["fit.warmup_steps"] - max(0, ramps))
            scaled["fit.decay_steps"] = min(scaled["fit.decay_steps"], scaled["fit.steps"])
        return scaled | flat(self.train)

    def cases(self, wished: int | None, available: int) -> int | None:
        """How many cases are scored of a split that has ``available``; None is all."""
        if self.factor < 1:
            wished = math.ceil(self.factor * min(wished or available, available))
        if self.score.cases is not None:
            wished = min(wished or available, self.score.cases)
        return None if wished is None or wished >= available else wished


def load_scale(name: str) -> Scale:
    """A scale by its name, the path of a ``.toml`` file, or a number in (0, 1].

    Raises
    ------
    ConfigError
        If there is none, or it is wrong.
    """
    if name == FULL:
        return Scale(title="as the grid says", name=FULL)
    if name.endswith(".toml"):
        path = Path(name)
    elif name in shipped(SCALES):
        path = SCALES / f"{name}.toml"
    else:
        return _number(name)
    scale = read_toml(path, "scale", Scale)
    if "preset" in scale.train:
        raise ConfigError(f"the scale {path} names a preset, which would replace what the grid compares; name settings")
    return scale.model_copy(update={"name": path.stem})


def _number(text: str) -> Scale:
    names = ", ".join((FULL, *shipped(SCALES)))
    try:
        factor = float(text)
    except ValueError:
        raise ConfigError(
            f"unknown scale {text!r}; choose one of: {names}, a number in (0, 1], or a .toml file"
        ) from None
    if not 0 < factor <= 1:
        raise ConfigError(f"the scale {text} is impossible; choose a number in (0, 1], or one of: {names}")
    if factor == 1:
        return load_scale(FULL)
    return Scale(title=f"{factor:g} of the steps and of the scored cases", factor=factor, name=f"{factor:g}")
