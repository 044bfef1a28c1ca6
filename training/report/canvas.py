"""How figures look and how they become bytes: the same figure is the same file, whenever and wherever it is made.

No pyplot, so no state of other figures; DejaVu Sans, which matplotlib carries with it, so no font that is missing;
no date and no version in the files.  Colours are Okabe and Ito's (2008), which colour-blind people tell apart; every
line has its own dashes and marker as well, so that it is read in grey too.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Format = Literal["svg", "png", "pdf"]

# Blue, vermillion, green, purple, orange, sky blue, black: yellow is left out, it is not seen on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (7, 2)), (0, (3, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # letters as text that can be searched and edited
    "svg.fonttype": "path",  # letters as outlines: no font is needed where it is looked at
    "svg.hashsalt": "ambiseg",  # else the names inside are random
}
_DOTS_PER_INCH = 144


@dataclass(frozen=True)
class Style:
    """How one line looks."""

    colour: str
    dashes: str | tuple[int, tuple[int, ...]]
    marker: str


def style(number: int) -> Style:
    """The look of the line of this number, counted from 0; they repeat after seven."""
    at = number % len(COLOURS)
    return Style(COLOURS[at], DASHES[at], MARKERS[at])


@contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """A figure of so many inches, to be drawn and rendered within the block."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever a user's matplotlibrc says
        matplotlib.rcParams.update(_LOOK)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


_SILENT: Mapping[Format, Mapping[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def rendered(figure: Figure, form: Format, dpi: float = _DOTS_PER_INCH) -> bytes:
    """The figure as a file's content, without dates and versions; to be called within `drawing`.

    Parameters
    ----------
    dpi : dots per inch of a PNG, and of what is drawn as dots in the others
    """
    stream = io.BytesIO()
    figure.savefig(stream, format=form, dpi=dpi, metadata=dict(_SILENT[form]))
    return stream.getvalue()
