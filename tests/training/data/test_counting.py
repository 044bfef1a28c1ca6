"""Counting in a process of its own: how much there is, or one line on why nobody can tell; nobody has to wait."""

import sys
import textwrap
import time

import psutil
import pytest

from training.child import BLAME
from training.data.counting import Counted, Counting, Uncountable
from training.data.hdf5 import write_dataset
from training.data.phantom import phantom_case
from training.errors import DeviceError
from training.records import AnnotatedSlice

# A counting process that does what the layout says.
FAKE = """
    import os, time
    from training.data.counting_process import main
    from training.data.forms.interface import Unit
    from training.errors import DataFormatError

    class Form:
        def __len__(self):
            return 5

        def units(self):
            return [Unit("a", "1"), Unit("b", "2"), Unit("a", "3")]

    def open_form(source, layout):
        print("a library talks")
        match layout:
            case "error":
                raise DataFormatError(f"{source}: no slice has an image")
            case "bug":
                raise RuntimeError("first line\\nsecond line")
            case "memory":
                bytearray(3 * 2**30)
            case "crash":
                os.kill(os.getpid(), 11)
            case "hang":
                time.sleep(600)
        return Form()

    main(open_form)
"""


@pytest.fixture
def begin(tmp_path):
    script = tmp_path / "fake.py"
    script.write_text(textwrap.dedent(FAKE))
    begun = []

    def begin(layout, **changes):
        choices = {"memory": 2**31, "command": (sys.executable, "-P", str(script))} | changes
        begun.append(Counting(tmp_path / "source", layout, **choices))
        return begun[-1]

    yield begin
    for counting in begun:
        counting.end()
        assert not psutil.pid_exists(counting._talk.child.process.pid)


def answer_of(counting):
    deadline = time.monotonic() + 30
    while (answer := counting.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return answer


def test_a_patient_with_two_series_counts_once(begin):
    counting = begin("good")
    assert answer_of(counting) == Counted(slices=5, patients=2)
    assert counting.poll() is None  # the answer comes once


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("error", "{source}: no slice has an image"),
        ("bug", "{source}: cannot be counted: RuntimeError: first line"),
        ("memory", "{source}: cannot be counted: it takes more than 2 GiB of memory; " + BLAME),
        ("crash", "{source}: the counting process ended by signal 11; " + BLAME),
    ],
)
def test_whatever_goes_wrong_is_one_line(begin, tmp_path, layout, text):
    if layout == "memory" and not sys.platform.startswith("linux"):
        pytest.skip("limits of address space are Linux's")
    assert answer_of(begin(layout)) == Uncountable(text.format(source=tmp_path / "source"))


@pytest.mark.parametrize("said", [b"[]", b"{", b'{"slices": 5}', b'{"slices": null, "patients": 1}'])
def test_an_answer_that_makes_no_sense_is_one_line(begin, tmp_path, said):
    script = tmp_path / "nonsense.py"
    script.write_text(f"from training.parent import answer_parent\nanswer_parent().send_bytes({said!r})\ninput()")
    answer = answer_of(begin("good", command=(sys.executable, "-P", str(script))))
    assert answer.text.startswith(f"{tmp_path / 'source'}: the counting process sent a message that makes no sense")
    assert "\n" not in answer.text


def test_asking_never_waits_and_a_count_that_hangs_can_be_ended(begin):
    counting = begin("hang")
    started = time.monotonic()
    while time.monotonic() - started < 0.5:
        before = time.monotonic()
        assert counting.poll() is None
        assert time.monotonic() - before < 0.3
        time.sleep(0.05)
    started = time.monotonic()
    counting.end()
    assert time.monotonic() - started < 3.0


def test_a_process_that_cannot_be_started_is_an_error_at_once(begin):
    with pytest.raises(DeviceError, match="cannot start the counting process with /no/such/python"):
        begin("good", command=("/no/such/python",))


def test_the_real_process_counts_slices_and_patients(tmp_path):
    cases = [phantom_case(index, 3, 32).slice for index in range(5)]
    cases = [AnnotatedSlice(case.image, case.masks, f"p{at // 2}", f"k{at}") for at, case in enumerate(cases)]
    write_dataset(tmp_path / "source.hdf5", {"train": cases[:4], "test": cases[4:]}, {})
    counting = Counting(tmp_path / "source.hdf5", "hdf5")
    assert answer_of(counting) == Counted(slices=5, patients=3)
    counting.end()


def test_the_real_process_tells_what_is_damaged_as_a_whole(tmp_path):
    (tmp_path / "LIDC-IDRI-0001" / "nodule-0" / "images").mkdir(parents=True)
    counting = Counting(tmp_path, "lidc-slices")
    answer = answer_of(counting)
    counting.end()
    assert isinstance(answer, Uncountable)
    assert str(tmp_path) in answer.text
