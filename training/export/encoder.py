"""H.264 in an MP4 by the ffmpeg that imageio-ffmpeg brings, frame by frame."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from training.errors import ConfigError
from training.export.frames import RgbArray

_CRF = "10"  # from 0, without loss, to 51
_ENDING_S = 60.0  # for what the encoder still has to write when the last frame came


class EncoderError(ConfigError):
    """The encoder gave up."""


class Encoder:
    """Takes frames of one size; at the end of the ``with`` block the file is whole, or was given up.

    Parameters
    ----------
    ffmpeg : path of the program
    path : of the file
    size : (height, width) of the frames, both even
    fps : frames a second

    Raises
    ------
    ConfigError
        If there is no such program, or it cannot be started.
    """

    def __init__(self, ffmpeg: str, path: Path, size: tuple[int, int], fps: float) -> None:
        height, width = size
        taken = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-"]
        made = ["-an", "-c:v", "libx264", "-crf", _CRF, "-pix_fmt", "yuv420p", "-f", "mp4", "-movflags", "+faststart"]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 -- closed at the end; a pipe that nobody reads may fill
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- the program that imageio-ffmpeg names
                [ffmpeg, "-y", "-v", "error", *taken, *made, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                start_new_session=True,  # Ctrl-C is for us, and the end of the block for it
            )
        except OSError as error:
            self._said.close()
            reason = f"cannot start the encoder {ffmpeg}: {error.strerror or error}"
            raise ConfigError(f"{reason}; choose .gif, or install imageio-ffmpeg anew") from error

    def __enter__(self) -> Encoder:
        return self

    def write(self, frame: RgbArray) -> None:
        """Take the next frame, (height, width, 3).

        Raises
        ------
        EncoderError
            If the encoder gave up, with what it said last.
        """
        assert self._process.stdin is not None  # noqa: S101 -- for mypy: it is a pipe
        try:
            self._process.stdin.write(frame.tobytes())
        except OSError as error:
            raise EncoderError(f"the encoder stopped: {self.said() or error.strerror or error}") from error

    def finish(self) -> None:
        """Wait until all frames are in the file.

        Raises
        ------
        EncoderError
            If they are not, with what the encoder said last.
        """
        assert self._process.stdin is not None  # noqa: S101 -- for mypy: it is a pipe
        try:
            self._process.stdin.close()
            code = self._process.wait(_ENDING_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EncoderError(f"the encoder stopped: {self.said() or error}") from error
        if code:
            raise EncoderError(f"the encoder stopped: {self.said() or f'exit code {code}'}")

    def said(self) -> str:
        """The last line that the encoder said; "" if it said nothing."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with suppress(OSError):  # what was not written yet; why is told by now
                self._process.stdin.close()
        self._said.close()
