"""Films have every frame, the right pace, and are whole or not there."""

import sys
from dataclasses import replace

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from training.errors import ConfigError
from training.export.frames import Frames, Look
from training.export.movie import Pace, film, write_movie

ONE = Look(sample=0)


def test_a_gif_has_every_frame_at_its_pace_and_begins_anew(tmp_path, drawn):
    write_movie(tmp_path / "m.gif", drawn, ONE, Pace(10, hold=0.5))
    with Image.open(tmp_path / "m.gif") as gif:
        assert gif.n_frames == 5
        assert gif.info["loop"] == 0
        durations = []
        for index, frame in enumerate(Frames(drawn, ONE)):
            gif.seek(index)
            durations.append(gif.info["duration"])
            shown = np.asarray(gif.convert("RGB")).astype(int)
            assert np.abs(shown - frame).mean() < 4  # 256 colours
    assert durations == [100, 100, 100, 100, 600]


def test_an_mp4_has_every_frame_and_the_last_one_stays(tmp_path, drawn):
    write_movie(tmp_path / "m.mp4", drawn, ONE, Pace(5, hold=1))
    reader = imageio_ffmpeg.read_frames(tmp_path / "m.mp4")
    facts = next(reader)
    frames = [np.frombuffer(frame, np.uint8).reshape(*facts["size"][::-1], 3) for frame in reader]
    expected = list(Frames(drawn, ONE))
    assert facts["fps"] == 5
    assert len(frames) == 5 + 5
    assert facts["size"] == expected[0].shape[1::-1]  # nothing was scaled
    for shown, frame in zip(frames, [*expected, *expected[-1:] * 5], strict=True):
        assert np.abs(shown.astype(int) - frame).mean() < 12


def test_a_folder_has_every_frame_exactly(tmp_path, drawn):
    write_movie(tmp_path / "frames", drawn, ONE)
    files = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in files] == [f"frame-000{i}.png" for i in range(5)]
    for path, frame in zip(files, Frames(drawn, ONE), strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), frame)


@pytest.mark.parametrize("name", ["m.gif", "m.mp4", "m"])
def test_the_last_frame_is_told_when_the_film_has_its_name(tmp_path, drawn, name):
    told = []
    for done in film(tmp_path / name, drawn, ONE):
        told.append(done)
        assert (tmp_path / name).exists() == (done == 5)
    assert told == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["m.gif", "m.mp4", "m"])
def test_a_film_that_is_left_early_is_not_there(tmp_path, drawn, name):
    frames = film(tmp_path / name, drawn, ONE)
    assert [next(frames), next(frames)] == [1, 2]
    frames.close()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["m.gif", "m.mp4", "m"])
def test_a_place_that_is_not_there_is_told_in_one_line(tmp_path, drawn, name):
    with pytest.raises(ConfigError, match="cannot write ") as told:
        write_movie(tmp_path / "nowhere" / name, drawn, ONE)
    assert "\n" not in str(told.value)
    assert not any(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, drawn):
    (tmp_path / "frames").mkdir()
    write_movie(tmp_path / "frames", drawn, ONE)  # empty: nothing is lost
    (tmp_path / "frames" / "mine.txt").touch()
    with pytest.raises(ConfigError, match="there is something already"):
        write_movie(tmp_path / "frames", drawn, ONE)
    assert len(list((tmp_path / "frames").iterdir())) == 6


def test_an_old_film_stays_until_the_new_one_is_whole(tmp_path, drawn):
    (tmp_path / "m.gif").write_bytes(b"old")
    frames = film(tmp_path / "m.gif", drawn, ONE)
    next(frames)
    frames.close()
    assert (tmp_path / "m.gif").read_bytes() == b"old"


def test_names_and_paces_that_are_impossible_are_told(tmp_path, drawn):
    with pytest.raises(ConfigError, match=r"'m\.avi'; give a name that ends in one of: \.gif, \.mp4, or"):
        write_movie(tmp_path / "m.avi", drawn)
    for fps in (0, -1, 51, float("nan")):
        with pytest.raises(ConfigError, match="above 0, at most 50"):
            Pace(fps)
    with pytest.raises(ConfigError, match="choose 0 to 60"):
        Pace(5, hold=61)


def test_without_the_encoder_one_line_says_what_to_install(tmp_path, drawn, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ConfigError, match=r'imageio-ffmpeg: pip install "napari-ambiseg\[app\]"; a \.gif needs'):
        write_movie(tmp_path / "m.mp4", drawn)
    write_movie(tmp_path / "m.gif", drawn, ONE)


def test_a_film_that_the_encoder_could_not_finish_is_told_and_replaces_nothing(tmp_path, drawn, monkeypatch):
    """On a full disk the encoder takes all frames, ends without its index, and says nothing."""
    whole = tmp_path / "m.mp4"
    write_movie(whole, drawn, ONE)
    before = whole.read_bytes()
    encoder(tmp_path, monkeypatch, 'cat > /dev/null; for path; do :; done; head -c 800 /dev/urandom > "$path"')
    with pytest.raises(ConfigError, match=r"only 0 of 14 frames were written; make room on the disk") as told:
        write_movie(whole, drawn, ONE)
    assert "\n" not in str(told.value)
    assert whole.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [tmp_path / "encoder", whole]


def test_what_the_encoder_says_when_it_gives_up_is_in_the_error_and_not_on_the_terminal(
    tmp_path, drawn, monkeypatch, capfd
):
    encoder(tmp_path, monkeypatch, "echo first >&2; echo 'No space left on device' >&2; cat > /dev/null; exit 228")
    with pytest.raises(ConfigError, match=r"m\.mp4: the encoder stopped: No space left on device; make room") as told:
        write_movie(tmp_path / "m.mp4", drawn, ONE)
    assert "\n" not in str(told.value)
    assert capfd.readouterr() == ("", "")
    encoder(tmp_path, monkeypatch, "echo 'no such codec' >&2; exit 1")  # before it read anything
    with pytest.raises(ConfigError, match="the encoder stopped: no such codec"):
        write_movie(tmp_path / "m.mp4", drawn, ONE)
    assert not (tmp_path / "m.mp4").exists()


def test_an_encoder_that_cannot_be_started_is_told_with_what_would_work(tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match=r"cannot start the encoder .*gone: No such file.*; choose \.gif") as told:
        write_movie(tmp_path / "m.mp4", drawn, ONE)
    assert "room on the disk" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def encoder(folder, monkeypatch, script):
    """Something else in the place of ffmpeg; the last of its words is the file to write."""
    path = folder / "encoder"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(path))


def test_one_state_is_a_film_too(tmp_path, drawn):
    walk = drawn.trajectory
    last = replace(drawn, trajectory=type(walk)(walk.t[-1:], walk.x_t[-1:], walk.x0_hat[-1:]))
    write_movie(tmp_path / "m.gif", last, ONE)
    with Image.open(tmp_path / "m.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 1
