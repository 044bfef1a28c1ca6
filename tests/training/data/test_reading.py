"""What another process reads is what this one would have read; and that process may die."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import h5py
import numpy as np
import psutil
import pytest

from training.data import reading
from training.data.hdf5 import write_dataset
from training.data.opening import open_dataset
from training.data.phantom import phantom_case
from training.data.reading import open_isolated, seems_annotated
from training.errors import ConfigError, DataFormatError, DeviceError

# A reading process in which a file's name says what it does to that process when it is opened or read.
HOSTILE = """
    import os, sys, time
    from pathlib import Path
    import training.data.reading_process as process

    genuine = process.open_dataset

    def behave(path, moment):
        once = path.with_suffix(".once")
        if moment not in path.stem or once.exists():
            return
        if "once" in path.stem:
            once.touch()
        if "crash" in path.stem:
            os.kill(os.getpid(), 11)
        elif "hang" in path.stem:
            time.sleep(600)
        elif "exit" in path.stem:
            os._exit(5)
        elif "memory" in path.stem:
            bytearray(6 * 2**30)
        elif "bug" in path.stem:
            raise AssertionError("first line\\nsecond line")
        elif "nonsense" in path.stem:
            os.write(server._connection.fileno(), b"\\0\\0\\0\\2{]")
        elif "array" in path.stem:
            facts = b'{"arrays": [["|O", [1, 1]]]}'
            os.write(server._connection.fileno(), len(facts).to_bytes(4, "big") + facts)

    def open_dataset(path):
        behave(path, "open")
        return genuine(path)

    class Server(process.Server):
        def _slice(self, request):
            behave(Path(request["path"]), "read")
            return super()._slice(request)

        def _look(self, request):
            behave(Path(request["path"]), "look")
            return super()._look(request)

    process.open_dataset = open_dataset
    process.limit_memory(process.SPARE_MEMORY)
    with process.answer_parent() as connection:
        server = Server(connection)
        server.run()
"""


def write(path, count=3, prefix="a", **attributes):
    cases = [phantom_case(index, 5, 32).slice for index in range(count)]
    cases = [type(case)(case.image, case.masks, f"{prefix}{i}", f"{prefix}{i}") for i, case in enumerate(cases)]
    write_dataset(path, {"train": cases[:-1], "test": cases[-1:]}, attributes)
    return path


def phiseg_file(path):
    rng = np.random.default_rng(5)
    with h5py.File(path, "w") as file:
        group = file.create_group("val")
        group["images"] = rng.random((4, 12, 9)) - 0.5
        group["labels"] = rng.integers(0, 2, (4, 12, 9, 3), np.uint8)
        group["uids"] = np.arange(4)
    return path


def assert_same(left, right):
    assert (left.n_experts, dict(left.attributes)) == (right.n_experts, dict(right.attributes))
    assert list(left.splits) == list(right.splits)
    for name, split in right.splits.items():
        other = left.splits[name]
        assert (other.keys, other.patients, other.spacings) == (split.keys, split.patients, split.spacings)
        assert len(other) == len(split)
        for a, b in zip(other, split, strict=True):
            assert (a.key, a.patient, a.spacing_mm, a.image.dtype) == (b.key, b.patient, b.spacing_mm, b.image.dtype)
            assert np.array_equal(a.image, b.image)
            assert np.array_equal(a.masks, b.masks)
            assert (a.hounsfield is None) == (b.hounsfield is None)
        whole, expected = other.arrays(), split.arrays()
        assert whole.images.dtype == expected.images.dtype
        assert np.array_equal(whole.images, expected.images)
        assert np.array_equal(whole.masks, expected.masks)


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    script = tmp_path / "hostile.py"
    script.write_text(textwrap.dedent(HOSTILE))
    monkeypatch.setattr(reading, "_COMMAND", (sys.executable, "-P", str(script)))


@pytest.fixture(autouse=True)
def _no_child_is_left():
    """Closing the last file ends the child, whatever happened before."""
    yield
    assert reading._reader._child is None
    commands = [" ".join(child.cmdline()) for child in psutil.Process().children()]
    assert [command for command in commands if "reading_process" in command or "hostile" in command] == []


def child_pid():
    return reading._reader._child.process.pid


@pytest.mark.parametrize("much", [0, 2**40])
@pytest.mark.parametrize("make", [write, phiseg_file])
def test_everything_is_as_if_it_were_read_here(tmp_path, monkeypatch, make, much):
    monkeypatch.setattr(reading, "_MUCH", much)
    path = make(tmp_path / "data.hdf5")
    with open_isolated(path) as isolated, open_dataset(path) as direct:
        assert_same(isolated, direct)
        assert isolated.path == path
        assert isolated.verify() == direct.verify()
        assert isolated.sha256() == direct.sha256()


def test_a_real_file_is_as_if_it_were_read_here(shared_data):
    path = shared_data / "lidc_published.hdf5"
    with open_isolated(path) as isolated, open_dataset(path) as direct:
        assert_same(isolated, direct)


def test_hounsfield_units_travel_too(tmp_path):
    case = phantom_case(0, 5, 32).slice
    units = np.arange(32 * 32, dtype=np.int16).reshape(32, 32) - 500
    path = tmp_path / "units.hdf5"
    write_dataset(path, {"val": [type(case)(case.image, case.masks, "p", "k", (0.5, 0.75), units)]}, {})
    with open_isolated(path) as isolated, open_dataset(path) as direct:
        got, expected = isolated.case("val", 0), direct.case("val", 0)
        assert got.spacing_mm == (0.5, 0.75)
        assert np.array_equal(got.hounsfield, expected.hounsfield)
        assert np.array_equal(got.hounsfield, units)


def test_the_program_that_opens_a_file_never_loads_hdf5(tmp_path):
    path = write(tmp_path / "data.hdf5")
    code = f"""
        import sys
        from training.data.reading import open_isolated
        with open_isolated({str(path)!r}) as dataset:
            dataset.splits["train"][0], dataset.splits["train"].arrays(), dataset.verify()
        print("h5py" in sys.modules, "torch" in sys.modules)
    """
    done = subprocess.run((sys.executable, "-c", textwrap.dedent(code)), capture_output=True, text=True, timeout=60)  # noqa: S603 - ours
    assert (done.stdout, done.stderr) == ("False False\n", "")


@pytest.mark.parametrize("index", [-1, 2, 10**30])
def test_an_index_outside_the_split_ends_a_loop(tmp_path, index):
    with open_isolated(write(tmp_path / "data.hdf5")) as dataset, pytest.raises(IndexError):
        dataset.splits["train"][index]


def test_errors_have_the_class_and_the_text_that_they_would_have_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.hdf5").write_text("no HDF5 at all")
    with h5py.File("empty.hdf5", "w"):
        pass
    for path in ("text.hdf5", "empty.hdf5", "missing.hdf5", ".", str(tmp_path / "text.hdf5")):
        with pytest.raises(DataFormatError) as here:
            open_dataset(path)
        with pytest.raises(DataFormatError) as there:
            open_isolated(path)
        assert str(there.value) == str(here.value)


def test_a_damaged_array_is_told_as_it_would_be_here(tmp_path):
    path = write(tmp_path / "data.hdf5")
    with h5py.File(path, "r+") as file:
        file["train/images"][1, 2, 3] += 1e-3
    with open_isolated(path) as isolated, open_dataset(path) as direct:
        for read in (lambda data: data.verify(), lambda data: data.splits["train"].arrays()):
            with pytest.raises(DataFormatError, match="not what was written") as here:
                read(direct)
            with pytest.raises(DataFormatError) as there:
                read(isolated)
            assert str(there.value) == str(here.value)
        isolated.splits["test"].arrays()


def test_a_users_mistake_is_told_without_asking_the_child(tmp_path):
    with open_isolated(write(tmp_path / "data.hdf5")) as dataset:
        with pytest.raises(ConfigError, match="no split 'val'"):
            dataset.case("val", 0)
        with pytest.raises(ConfigError, match="no slice 2"):
            dataset.case("train", 2)


def test_a_closed_file_says_so_and_the_last_one_ends_the_child(tmp_path):
    first, second = open_isolated(write(tmp_path / "a.hdf5")), open_isolated(write(tmp_path / "b.hdf5"))
    pid = child_pid()
    first.close()
    first.close()  # twice is no harm
    assert second.splits["train"][0].key == "a0"
    assert child_pid() == pid
    for read in (lambda: first.splits["train"][0], first.verify, first.splits["train"].arrays):
        with pytest.raises(DataFormatError, match="was closed; open it again"):
            read()
    second.close()
    assert not psutil.pid_exists(pid)


def test_a_relative_path_means_what_it_meant_when_the_file_was_opened(tmp_path, monkeypatch):
    write(tmp_path / "data.hdf5")
    monkeypatch.chdir(tmp_path)
    with open_isolated("data.hdf5") as dataset:
        monkeypatch.chdir("/")
        os.kill(child_pid(), signal.SIGKILL)
        wait_for_death()
        assert dataset.splits["train"][1].key == "a1"


def wait_for_death():
    reading._reader._child.process.wait(5)


def test_a_child_that_was_killed_between_two_reads_is_replaced_without_a_word(tmp_path):
    with open_isolated(write(tmp_path / "a.hdf5")) as a, open_isolated(write(tmp_path / "b.hdf5", prefix="b")) as b:
        before = child_pid()
        os.kill(before, signal.SIGKILL)
        wait_for_death()
        assert b.splits["train"][0].key == "b0"
        assert a.splits["train"][0].key == "a0"
        assert child_pid() != before


def test_a_file_that_was_replaced_while_the_child_was_away_is_not_taken_for_the_old_one(tmp_path):
    path = write(tmp_path / "data.hdf5")
    with open_isolated(path) as dataset:
        os.kill(child_pid(), signal.SIGKILL)
        wait_for_death()
        write(path, prefix="other")
        for _ in range(2):
            with pytest.raises(DataFormatError, match="changed since it was opened"):
                dataset.splits["train"][0]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("crash", "the reading process ended by signal 11; the file is damaged or made to do harm"),
        ("exit", "the reading process ended with exit code 5; the file is damaged"),
        ("hang", "the reading process did not answer within 0.4 s; the file is damaged"),
        ("memory", "cannot be read (it takes more memory than reading it should)"),
        ("bug", "cannot be read (AssertionError: first line)"),
        ("nonsense", "the reading process sent an answer that makes no sense and was ended"),
        ("array", "the reading process sent an answer that makes no sense and was ended"),
    ],
    ids=lambda value: value if value.isalpha() else "",
)
@pytest.mark.parametrize("moment", ["open", "read"])
def test_a_file_that_harms_its_reader_is_one_error_and_the_other_files_stay_open(tmp_path, hostile, kind, text, moment):
    path = write(tmp_path / f"{kind}-{moment}.hdf5")
    with open_isolated(write(tmp_path / "good.hdf5", prefix="good")) as good:
        started = time.monotonic()
        with pytest.raises(DataFormatError) as harm:
            open_isolated(path, timeout=0.4).splits["train"][0]
        assert time.monotonic() - started < 5
        told = str(harm.value)
        assert told.startswith(f"{path}: ")
        assert "\n" not in told
        assert text in told
        for index in range(2):
            assert good.splits["train"][index].key == f"good{index}"
        with reading._reader._lock:
            reading._reader._end()  # the hostile one was never closed


def test_a_file_that_is_read_when_the_child_dies_of_another_gets_a_second_chance(tmp_path, hostile):
    with (
        open_isolated(write(tmp_path / "good.hdf5")) as good,
        open_isolated(write(tmp_path / "once-crash-read.hdf5", prefix="b")) as unlucky,
    ):
        assert unlucky.splits["train"][1].key == "b1"
        assert (tmp_path / "once-crash-read.once").exists()
        assert good.splits["train"][0].key == "a0"


def test_a_program_that_cannot_be_started_does_not_blame_the_file(tmp_path, monkeypatch):
    path = write(tmp_path / "data.hdf5")
    monkeypatch.setattr(reading, "_COMMAND", (sys.executable, "-c", "raise SystemExit(1)"))
    with pytest.raises(DeviceError, match="cannot start the reading process: it ended with exit code 1"):
        open_isolated(path)
    monkeypatch.setattr(reading, "_COMMAND", ("/no/such/python",))
    with pytest.raises(DeviceError, match="cannot start the reading process with /no/such/python"):
        open_isolated(path)


def test_several_threads_get_the_slices_that_they_ask_for(tmp_path):
    paths = [write(tmp_path / f"{name}.hdf5", 12, prefix=name) for name in "abc"]
    wrong = []

    def look(dataset, name):
        for index in np.random.default_rng(ord(name)).integers(0, 11, 60):
            case = dataset.splits["train"][int(index)]
            if case.key != f"{name}{index}" or not np.array_equal(case.image, expected[index]):
                wrong.append((name, index))

    with open_dataset(paths[0]) as direct:
        expected = [case.image for case in direct.splits["train"]]
    datasets = [open_isolated(path) for path in paths]
    threads = [threading.Thread(target=look, args=pair) for pair in zip(datasets, "abc", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for dataset in datasets:
        dataset.close()
    assert wrong == []


def test_reading_a_whole_split_does_not_make_one_slice_wait(tmp_path, monkeypatch):
    """The lock of the child that reads slices is free while another child reads much."""
    with open_isolated(write(tmp_path / "data.hdf5")) as dataset:
        seen = []
        ask = reading._Reader.ask

        def watched(self, source, request, timeout):
            if request["do"] in ("arrays", "verify"):
                seen.append((self is reading._reader, dataset.splits["train"][0].key))
            return ask(self, source, request, timeout)

        monkeypatch.setattr(reading._Reader, "ask", watched)
        monkeypatch.setattr(reading, "_MUCH", 0)
        dataset.splits["train"].arrays()
        dataset.verify()
        assert seen == [(False, "a0"), (False, "a0")]


def test_a_cheap_look_tells_our_files_from_others_without_opening_them_here(tmp_path):
    ours, other = tmp_path / "ours.hdf5", tmp_path / "other.hdf5"
    write_dataset(ours, {"train": [phantom_case(0, 0, 32).slice]}, {})
    with h5py.File(other, "w") as file:
        file["spectra"] = np.arange(5)
    assert seems_annotated(ours)
    assert not seems_annotated(other)


def test_a_file_that_is_only_a_signature_is_none_of_ours(tmp_path):
    (tmp_path / "a.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    assert not seems_annotated(tmp_path / "a.hdf5")


@pytest.mark.parametrize("kind", ["crash", "exit", "hang"])
def test_a_file_that_harms_the_process_that_looks_seems_ours_within_some_seconds(tmp_path, hostile, kind):
    """Whoever looks waits for it, so it must not be for long; opening tells what is wrong."""
    (tmp_path / f"{kind}-look.hdf5").touch()
    with open_isolated(write(tmp_path / "good.hdf5")) as good:
        started = time.monotonic()
        assert seems_annotated(tmp_path / f"{kind}-look.hdf5")
        assert time.monotonic() - started < 4.0
        assert good.splits["train"][0].key == "a0"
