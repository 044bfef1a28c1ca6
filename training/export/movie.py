"""The reverse diffusion as a film: an animated GIF, an MP4, or a folder of PNG files."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from PIL import GifImagePlugin, Image

from training.atomic import replacing, temporary_beside, writing
from training.errors import ConfigError
from training.export.drawn_case import DrawnCase
from training.export.encoder import Encoder, EncoderError
from training.export.frames import Frames, Look, RgbArray

SUFFIXES = (".gif", ".mp4")
_FASTEST = 50.0  # frames a second: a GIF counts in hundredths, and viewers slow down those below two


@dataclass(frozen=True)
class Pace:
    """How fast a movie runs.

    Parameters
    ----------
    fps : frames a second, above 0 and at most 50
    hold : seconds for which the last frame stays

    Raises
    ------
    ConfigError
        On an impossible pace.
    """

    fps: float = 6.0
    hold: float = 1.5

    def __post_init__(self) -> None:
        if not 0 < self.fps <= _FASTEST:
            raise ConfigError(f"{self.fps:g} frames a second are impossible; choose above 0, at most {_FASTEST:g}")
        if not 0 <= self.hold <= 60:
            raise ConfigError(f"the last frame cannot stay for {self.hold:g} seconds; choose 0 to 60")


def write_movie(path: Path, drawn: DrawnCase, look: Look = Look(), pace: Pace = Pace()) -> None:  # noqa: B008 (frozen)
    """Write the movie of a trajectory; see `film`."""
    for _ in film(path, drawn, look, pace):
        pass


def film(
    path: Path,
    drawn: DrawnCase,
    look: Look = Look(),  # noqa: B008 (frozen)
    pace: Pace = Pace(),
) -> Generator[int]:
    """Write a movie frame by frame.

    Parameters
    ----------
    path : ends in .gif or .mp4; without an end it is a folder, which must not exist or be empty, for
        frame-0000.png and so on
    drawn : with a trajectory
    look : which sample, and the predicted mask or the noisy state
    pace : frames a second

    Yields
    ------
    the number of frames that are done, the last when the file has its name; where the iteration is left early,
    nothing is written

    Raises
    ------
    ConfigError
        On a name of another end, a place that cannot be written, no such sample, or a missing package.
    DataFormatError
        If the case has no trajectory.
    """
    suffix = path.suffix.lower()
    if suffix not in ("", *SUFFIXES):
        raise ConfigError(
            f"cannot tell the form of {path.name!r}; give a name that ends in one of: {', '.join(SUFFIXES)}, or the "
            f"name of a folder for PNG files"
        )
    frames = Frames(drawn, look)
    with writing(path):
        if suffix == ".gif":
            yield from _gif(path, frames, pace)
        elif suffix == ".mp4":
            yield from _mp4(path, frames, pace)
        else:
            yield from _folder(path, frames)


def _gif(path: Path, frames: Frames, pace: Pace) -> Iterator[int]:
    """Written frame by frame; Pillow's own way keeps all of them in memory until the last."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        for done, frame in enumerate(frames, start=1):
            if done == 1:
                file.write(_gif_header(frame))
            seconds = 1 / pace.fps + (pace.hold if done == len(frames) else 0)
            # Each frame has its own colours; none are mixed from dots, which would flicker.
            picture = Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE)
            milliseconds = 10 * round(100 * seconds)
            file.writelines(GifImagePlugin.getdata(picture, duration=milliseconds, include_color_table=True))
            if done < len(frames):
                yield done
        file.write(b";")
    yield len(frames)


def _gif_header(frame: RgbArray) -> bytes:
    """Size, no colours that all frames share, and the extension by which it is shown again and again (GIF89a)."""
    height, width = frame.shape[:2]
    size = b"".join(side.to_bytes(2, "little") for side in (width, height))
    return b"".join([b"GIF89a", size, b"\x70\0\0", b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"])


def _mp4(path: Path, frames: Frames, pace: Pace) -> Iterator[int]:
    ffmpeg = _ffmpeg()
    size, held = frames[0].shape[:2], round(pace.hold * pace.fps)
    with replacing(path) as temporary, _told(path), Encoder(ffmpeg.get_ffmpeg_exe(), temporary, size, pace.fps) as film:
        for done, frame in enumerate(frames, start=1):
            film.write(frame)
            if done < len(frames):
                yield done
        for _ in range(held):
            film.write(frame)
        film.finish()
        _require_frames(ffmpeg, temporary, len(frames) + held, path)
    yield len(frames)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say which file it was that could not be written."""
    try:
        yield
    except EncoderError as error:
        raise ConfigError(f"cannot write {path}: {error}; make room on the disk, or choose another place") from error


def _require_frames(ffmpeg: ModuleType, temporary: Path, wanted: int, path: Path) -> None:
    """Read the film again: what went wrong at its end, as on a full disk, the encoder tells nobody."""
    try:
        found = ffmpeg.count_frames_and_secs(str(temporary))[0]
    except (OSError, RuntimeError):
        found = 0  # there is nothing that could be read
    if found < wanted:
        raise ConfigError(
            f"cannot write {path}: only {found} of {wanted} frames were written; make room on the disk, or choose "
            "another place"
        )


def _folder(path: Path, frames: Frames) -> Iterator[int]:
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ConfigError(f"cannot write the frames to {path}: there is something already; choose another folder")
    temporary = temporary_beside(path)
    try:
        temporary.mkdir()
        for done, frame in enumerate(frames, start=1):
            Image.fromarray(frame).save(temporary / f"frame-{done - 1:04d}.png")
            if done < len(frames):
                yield done
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # gone by now if all went well
    yield len(frames)


def _ffmpeg() -> ModuleType:
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            'writing MP4 needs imageio-ffmpeg: pip install "napari-ambiseg[app]"; a .gif needs nothing more'
        ) from error
    found: ModuleType = imageio_ffmpeg
    return found
