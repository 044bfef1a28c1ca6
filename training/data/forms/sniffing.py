"""Which form something on disk is: the content decides, not the name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from training.data.forms.interface import Form, Options
from training.errors import ConfigError, DataFormatError

AUTO = "auto"

# In the order in which they are tried: the strictest look first, a folder of any pictures last.
_CLASSES = (
    ("hdf5", "Hdf5Form"),
    ("lidc_pickle", "LidcPickle"),
    ("matting_pickle", "MattingPickle"),
    ("slices_folder", "SlicesFolder"),
    ("hpu_net", "HpuNet"),
    ("cimd", "Cimd"),
    ("tcia", "TciaFolder"),
    ("nifti", "Nifti"),
    ("own_folder", "OwnFolder"),
)


@cache
def forms() -> Mapping[str, type[Form]]:
    """Every form by its name, in the order in which they are tried."""
    classes = [getattr(import_module(f"training.data.forms.{module}"), name) for module, name in _CLASSES]
    return MappingProxyType({form.name: form for form in classes})


def recognise(path: Path) -> str | None:
    """The name of the form that ``path`` looks like, None if it looks like none of them; never raises."""
    return next((name for name, form in forms().items() if form.recognises(path)), None)


def summary_of(name: str) -> str:
    """One line on what a form is.

    Raises
    ------
    ConfigError
        If there is no form of that name.
    """
    return _find(name).summary


def takes_window(name: str) -> bool:
    """Whether ``window`` may be chosen for a form; errors as `summary_of`."""
    return "window" in _find(name).choices


def open_form(path: Path, layout: str = AUTO, options: Options | None = None) -> Form:
    """Look at a source on disk, without going through its slices yet.

    Parameters
    ----------
    path : a file or a folder
    layout : the name of a form, or ``auto`` to find out
    options : what may be chosen; the defaults if None

    Raises
    ------
    ConfigError
        On an unknown layout, or an option that the form has no use for.
    DataFormatError
        If there is nothing at ``path``, it looks like none of the forms, or is not what its form should be.
    """
    if not path.exists():
        raise DataFormatError(f"{path}: there is no such file or folder")
    known = ", ".join(forms())
    name = recognise(path) if layout == AUTO else layout
    if name is None:
        raise DataFormatError(
            f"{path}: looks like none of the layouts {known}; docs/data.md says "
            "what each of them is, and `ambiseg prepare --layout NAME` insists on one"
        )
    form, options = _find(name), options or Options()
    for choice, default in (("window", Options.window), ("shift_masks", Options.shift_masks)):
        if getattr(options, choice) != default and choice not in form.choices:
            raise ConfigError(
                f"--{choice.replace('_', '-')} means nothing for the layout {name!r}, "
                f"whose {'intensities' if choice == 'window' else 'masks'} are fixed already; leave it out"
            )
    return form(path, options)


def _find(name: str) -> type[Form]:
    if name not in forms():
        raise ConfigError(f"unknown layout {name!r}; choose one of: {', '.join((AUTO, *forms()))}")
    return forms()[name]
