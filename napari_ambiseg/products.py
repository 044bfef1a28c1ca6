"""What can be written of a case, and how it may look.  No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from training.errors import ConfigError
from training.export import FORMS
from training.export.frames import Look
from training.export.movie import SUFFIXES as MOVIE_SUFFIXES
from training.export.movie import Pace

MASKS, NUMBERS, FIGURE, PAGE, MOVIE = "masks", "numbers", "figure", "page", "movie"
READINGS = "readings"


@dataclass(frozen=True)
class Product:
    """One kind of output.

    Parameters
    ----------
    title : what it is called on its button
    tip : what it is
    suffixes : ends of its file's name, the first one is usual; "" is a folder
    """

    title: str
    tip: str
    suffixes: tuple[str, ...]


PRODUCTS = {
    MASKS: Product(
        "Masks",
        "Experts' and drawn masks with how they were made: HDF5 and NPZ hold all in one file, NIfTI a mask in each, "
        "DICOM SEG a segment for each",
        tuple(suffix for form in FORMS for suffix in form.suffixes),
    ),
    NUMBERS: Product("Numbers", "All scores of this case, as drawn and post-processed, for a spreadsheet", (".csv",)),
    FIGURE: Product(
        "Figure", "Image, experts, masks, variance and areas, lettered, for a paper", (".pdf", ".svg", ".png")
    ),
    PAGE: Product("Case report", "One page to read, print or send: picture, numbers, how it was made", (".html",)),
    MOVIE: Product("Movie", "The masks as they come out of the noise", (*MOVIE_SUFFIXES, "")),
    READINGS: Product(
        "Readings",
        "Readings of all cases of this session as CSV: a row for each case that you opened, with flag, note, your "
        "outline's area, and how far it is from each expert and from the samples",
        (".csv",),
    ),
}


@dataclass(frozen=True)
class Options:
    """How the pictures look.

    Parameters
    ----------
    dpi : dots per inch of a PNG figure
    look, pace : of the movie
    """

    dpi: float = 300.0
    look: Look = field(default_factory=Look)
    pace: Pace = field(default_factory=Pace)


def require_suffix(product: str, path: Path) -> None:
    """Refuse a name of another end.

    Raises
    ------
    ConfigError
        With the ends that are known.
    """
    suffixes = PRODUCTS[product].suffixes
    named = tuple(suffix for suffix in suffixes if suffix)
    if not path.name.lower().endswith(named) and not ("" in suffixes and not path.suffix):
        raise ConfigError(f"cannot tell the form of {path.name!r}; give a name that ends in one of: {', '.join(named)}")
