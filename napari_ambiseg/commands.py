"""What the window does, as commands of ``ambiseg`` that do the same.

They are for a POSIX shell.  The masks and the numbers of such a command are those of the window, on the same machine.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from napari_ambiseg.layers.roles import Origin
from napari_ambiseg.runs import Run
from napari_ambiseg.sample_data import DEMO, PhantomCases
from training.data.field import Field
from training.data.phantom import split_indices
from training.data.window import AUTO
from training.errors import ConfigError
from training.postprocess import Cleaning
from training.sampling_wish import SamplingWish

_DEMO_FILE, _SAMPLES_FILE = "demo.hdf5", "samples.hdf5"


def demo_command(out: str = _DEMO_FILE) -> str:
    """Writes the demo cases to a file."""
    cases = PhantomCases()
    return _line("phantom", out, "--cases", str(len(cases)), "--seed", str(cases.seed))


def sample_command(
    origin: Origin,
    field: Field,
    *,
    model: str,
    wish: SamplingWish,
    n: int,
    seed: int,
    device: str = "auto",
    cleaning: Cleaning = Cleaning(),
    out: str = _SAMPLES_FILE,
    as_json: bool = False,
) -> str:
    """Draws the samples of one case, and scores them; for a demo case, which lies in no file, it writes one first.

    Parameters
    ----------
    origin, field : which slice, and what part of it the model sees
    model, wish, n, seed, device : how to draw
    cleaning : how to clean what is drawn
    out : file for the masks: .hdf5, .npz, .nii.gz or .dcm
    as_json : print the numbers as JSON

    Raises
    ------
    ConfigError
        If the case lies in no file that the command could read.
    """
    first, source, split, index = [], origin.source, origin.split, origin.index
    if source == DEMO:
        first, source = [demo_command()], _DEMO_FILE
        split, index = _place_in_demo_file(index)
    elif not Path(source).is_file():
        raise ConfigError(f"{source} is no file that a command could read; write the case to one first, under Output")
    else:
        source = str(Path(source).absolute())
    line = _line(
        "sample",
        model,
        source,
        out,
        *("--split", split, "--index", str(index)),
        *("--field", str(field)),
        *("--samples", str(n), "--seed", str(seed)),
        *wish.options(),
        *cleaning.options(),
        *(() if device == "auto" else ("--device", device)),
        *(("--json",) if as_json else ()),
    )
    return " && ".join([*first, line])


def run_command(run: Run, cleaning: Cleaning = Cleaning(), *, out: str = _SAMPLES_FILE, as_json: bool = False) -> str:
    """Draws a run again; arguments and errors as in `sample_command`."""
    return sample_command(
        run.origin,
        run.field,
        model=run.model,
        wish=run.wish,
        n=run.n,
        seed=run.seed,
        device=run.device,
        cleaning=cleaning,
        out=out,
        as_json=as_json,
    )


def prepare_command(source: str, target: str, layout: str, window: str = AUTO, size: int = 0) -> str:
    """Converts annotated slices as the window is asked to; ``size`` 0 leaves their size as it is."""
    return _line(
        "prepare",
        source,
        target,
        *("--layout", layout),
        *(() if window == AUTO else ("--window", window)),
        *(("--size", str(size)) if size else ()),
    )


def _place_in_demo_file(index: int) -> tuple[str, int]:
    """Split and index, in the file of `demo_command`, of a demo case."""
    cases = PhantomCases()
    for split, indices in split_indices(len(cases), cases.seed).items():
        if index in indices:
            return split, indices.index(index)
    raise ConfigError(f"there is no demo case {index}; choose 0 to {len(cases) - 1}")


def _line(command: str, *words: str) -> str:
    return shlex.join(["ambiseg", command, *words])
