"""The reverse diffusion as pictures: one per step, made when it is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from training.errors import ConfigError, DataFormatError
from training.export.closeup import window_of
from training.export.colours import SAMPLE, VEIL, VEIL_OPACITY
from training.export.drawn_case import DrawnCase
from training.records import BoolArray, Trajectory

Quantity = Literal["x0_hat", "x_t"]
RgbArray = NDArray[np.uint8]
_T = TypeVar("_T", bound=np.generic)

_WORDS = {"x0_hat": "predicted mask", "x_t": "noisy state"}
_OUTLINE = ImageColor.getrgb(SAMPLE)
_VEIL_CURVE = np.array(VEIL_OPACITY).T
_DARKEST, _BRIGHTEST = -2.0, 2.0  # of a noisy state, as in the viewer
_GAP = 4  # pixels between the tiles of a grid
# Pixels of the longer side: what is smaller is enlarged, by whole numbers, and what is too large is reduced.
_ONE, _GRID, _LARGEST = 640, 1100, 2048
_INK, _SOFT = (255, 255, 255), (170, 170, 170)


@dataclass(frozen=True)
class Look:
    """What a movie shows.

    Parameters
    ----------
    quantity : "x0_hat", the predicted clean mask with its outline, or "x_t", the noisy state
    sample : which sample, counted from 0; None is all of them side by side
    closeup : only the square around what experts and samples marked

    Raises
    ------
    ConfigError
        On another quantity or a negative sample.
    """

    quantity: Quantity = "x0_hat"
    sample: int | None = None
    closeup: bool = False

    def __post_init__(self) -> None:
        if self.quantity not in _WORDS:
            raise ConfigError(f"unknown quantity {self.quantity!r}; choose one of: {', '.join(_WORDS)}")
        if self.sample is not None and self.sample < 0:
            raise ConfigError(f"there is no sample {self.sample}; they are counted from 0")


class Frames:
    """The frames of one trajectory; each is drawn anew when it is asked for, so that memory stays flat.

    Parameters
    ----------
    drawn : with a trajectory
    look : what is shown

    Raises
    ------
    ConfigError
        If there is no such sample.
    DataFormatError
        If the case has no trajectory.
    """

    def __init__(self, drawn: DrawnCase, look: Look = Look()) -> None:
        if drawn.trajectory is None:
            raise DataFormatError(f"{drawn.case.key}: the masks came without a trajectory; draw them with --trajectory")
        n_samples = len(drawn.samples)
        if look.sample is not None and look.sample >= n_samples:
            raise ConfigError(f"there is no sample {look.sample}; choose one of 0 to {n_samples - 1}")
        self._trajectory: Trajectory = drawn.trajectory
        self._shown = range(n_samples) if look.sample is None else (look.sample,)
        self._look, self._n_samples = look, n_samples
        self._steps = drawn.steps or tuple(range(len(self)))
        self._n_steps = drawn.n_steps or self._steps[-1]
        seen = drawn.seen
        everything = np.concatenate([seen.masks, drawn.samples.masks])
        self._part = window_of(everything).of if look.closeup else lambda plane: plane
        self._image = self._part(seen.image)
        self._columns = math.ceil(math.sqrt(len(self._shown)))
        self._rows = math.ceil(len(self._shown) / self._columns)
        height, width = self._image.shape
        side = max(self._rows * height, self._columns * width)
        wished = _ONE if len(self._shown) == 1 else _GRID
        self._zoom, self._shrink = max(1, wished // side), math.ceil(side / _LARGEST)

    def __len__(self) -> int:
        return len(self._trajectory.t)

    def __iter__(self) -> Iterator[RgbArray]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> RgbArray:
        """(height, width, 3) uint8; all frames have one size, of even numbers."""
        states = getattr(self._trajectory, self._look.quantity)[index]
        height, width = (side * self._zoom for side in self._image.shape)
        sheet = np.zeros((self._rows * (height + _GAP) - _GAP, self._columns * (width + _GAP) - _GAP, 3), np.uint8)
        for place, sample in enumerate(self._shown):
            row, column = divmod(place, self._columns)
            top, left = row * (height + _GAP), column * (width + _GAP)
            sheet[top : top + height, left : left + width] = self._tile(
                self._part(np.asarray(states[sample], np.float32))
            )
        picture = Image.fromarray(sheet).reduce(self._shrink)
        return self._captioned(picture, index, (height + _GAP) / self._shrink, (width + _GAP) / self._shrink)

    def _tile(self, state: NDArray[np.float32]) -> RgbArray:
        """One state as the viewer shows it: noise in grey, a predicted mask as a veil with an outline."""
        if self._look.quantity == "x_t":
            grey = np.clip((state - _DARKEST) / (_BRIGHTEST - _DARKEST), 0, 1) * 255
            tile = np.repeat(_enlarged(grey, self._zoom)[..., None], 3, axis=-1)
        else:
            opacity = _enlarged(np.interp((state + 1) / 2, *_VEIL_CURVE), self._zoom)[..., None]
            tile = self._grey * (1 - opacity) + np.array(VEIL) * opacity
            tile[_rim(_enlarged(state > 0, self._zoom))] = _OUTLINE
        rounded: RgbArray = np.rint(tile).astype(np.uint8)
        return rounded

    @cached_property
    def _grey(self) -> NDArray[np.float32]:
        """The image under all tiles, (height, width, 1) from 0 to 255."""
        return _enlarged(self._image, self._zoom)[..., None] * np.float32(255)

    def _captioned(self, picture: Image.Image, index: int, height: float, width: float) -> RgbArray:
        """The picture with what it is written under it, and each tile's number."""
        size = 15
        width_of_all = max(picture.width, 420)
        bar = 2 * (size + 8)
        sheet = Image.new("RGB", (width_of_all + width_of_all % 2, (picture.height + bar + 1) // 2 * 2))
        sheet.paste(picture, ((sheet.width - picture.width) // 2, 0))
        draw, font, small = ImageDraw.Draw(sheet), _font(size), _font(size - 3)
        if len(self._shown) > 1:
            for place, sample in enumerate(self._shown):
                row, column = divmod(place, self._columns)
                corner = ((sheet.width - picture.width) // 2 + column * width + 4, row * height + 2)
                draw.text(corner, str(sample + 1), _INK, small, stroke_width=1, stroke_fill=(0, 0, 0))
        t, step = float(self._trajectory.t[index]), self._steps[index]
        shown = (
            f"{self._n_samples} samples"
            if len(self._shown) > 1
            else f"sample {self._shown[0] + 1} of {self._n_samples}"
        )
        draw.text((6, picture.height + 5), f"step {step} of {self._n_steps}   t = {t:.2f}", _INK, font)
        draw.text((sheet.width - 6, picture.height + 5), shown, _INK, font, anchor="ra")
        below = picture.height + size + 11
        draw.text((6, below), _WORDS[self._look.quantity], _SOFT, small)
        draw.text((sheet.width - 6, below), "research use only, not for diagnosis", _SOFT, small, anchor="ra")
        return np.asarray(sheet)


def _enlarged(plane: NDArray[_T], zoom: int) -> NDArray[_T]:
    return plane.repeat(zoom, axis=0).repeat(zoom, axis=1)


def _rim(mask: BoolArray) -> BoolArray:
    """The pixels of a mask that have a side in common with one outside it; the border of the image is no rim."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib carries with it: no font of the machine is needed."""
    import matplotlib  # a quarter of a second, which whoever only imports this need not wait for

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
