"""What is written down comes back, or is known to be lost: never anything else."""

import json
import shutil
import tracemalloc

import numpy as np
import pytest

from training.errors import ConfigError, DataFormatError
from training.evaluation.case_table import CaseTable
from training.evaluation.cases import CaseScores, Plan, ScoredBlock, evaluate_cases
from training.evaluation.journal import Journal, Journals
from training.evaluation.summary import Summary
from training.metrics.glossary import NAMES
from training.records import AnnotatedSlice
from training.segmenters.experts import ExpertsOracle

PLAN = Plan((1, 3), (0.5,))
REQUEST = {"data_sha256": "abc", "samples": [1, 3], "sampling": {"model": "m", "eta": 0.0}}


def scores_of(index, plan=PLAN, k=4):
    random = np.random.default_rng(index)
    values = random.random((len(plan.variants), len(NAMES)))
    values[0, index % len(NAMES)] = np.nan
    votes = tuple(random.integers(0, 2**40, (variant.n + 1, k + 1)) for variant in plan.variants)
    return CaseScores(
        index, f"key-{index} é\n", f"patient {index // 3}", k, index % (k + 1), 2**62 + index, values, votes
    )


def block(*indices):
    return ScoredBlock([scores_of(index) for index in indices], 0.25, 0.5)


def write(folder, *blocks, rank=0, request=REQUEST):
    with Journal(folder, request, rank) as journal:
        for indices in blocks:
            journal.add(block(*indices), 100.0 + rank)
    return max(folder.glob(f"{rank:04d}-*"), key=lambda path: path.stat().st_mtime_ns)


def read(folder, cases, request=REQUEST):
    return Journals(folder, request, PLAN, cases)


def require_equal(case, index):
    expected = scores_of(index)
    for name in ("index", "key", "patient", "n_experts", "n_found", "seed"):
        assert getattr(case, name) == getattr(expected, name)
    assert case.scores.tobytes() == expected.scores.tobytes(), "NaN too"
    assert [votes.tolist() for votes in case.votes] == [votes.tolist() for votes in expected.votes]


def require_whole(journals, count):
    cases = list(journals)
    assert len(cases) == count
    for index, case in enumerate(cases):
        require_equal(case, index)


def test_what_is_written_comes_back_in_the_order_of_the_split(tmp_path):
    """Whatever process wrote it when, and in blocks of whatever size."""
    write(tmp_path / "parts", [6, 7], [0, 1], rank=1)
    write(tmp_path / "parts", [4], [5], rank=0)
    write(tmp_path / "parts", [2, 3], rank=0)
    journals = read(tmp_path / "parts", 8)
    assert (journals.done, journals.missing.tolist(), journals.damaged) == (8, [], {})
    require_whole(journals, 8)
    require_whole(journals, 8)


def test_what_was_spent_is_summed_over_all_journals(tmp_path):
    write(tmp_path, [0, 1], [2, 3], rank=0)
    write(tmp_path, [4], rank=2)
    cost = read(tmp_path, 6).cost
    assert (cost.cases, cost.drawing, cost.scoring, cost.peak_memory_mib) == (5, 0.75, 1.5, 102.0)


def test_a_case_that_was_done_twice_counts_once(tmp_path):
    write(tmp_path, [0, 1], rank=0)
    write(tmp_path, [1, 2], rank=1)
    journals = read(tmp_path, 3)
    assert journals.done == 3
    require_whole(journals, 3)


def test_without_a_folder_nothing_is_done(tmp_path):
    journals = read(tmp_path / "parts", 3)
    assert journals.missing.tolist() == [0, 1, 2]


def test_what_is_written_meanwhile_can_be_taken_in(tmp_path):
    journals = read(tmp_path, 6)
    with Journal(tmp_path, REQUEST) as journal:
        for count, indices in enumerate([(0, 1), (2, 3), (4, 5)], 1):
            journal.add(block(*indices), None)
            journals.refresh()
            assert journals.done == 2 * count
    require_whole(journals, 6)


def test_a_line_that_was_torn_anywhere_loses_its_own_cases_alone(tmp_path):
    path = write(tmp_path, [0, 1], [2, 3])
    content = path.read_bytes()
    last = content.rindex(b"\n", 0, -1) + 1
    for end in [*range(last, len(content), 97), *range(len(content) - 3, len(content))]:
        path.write_bytes(content[:end])
        journals = read(tmp_path, 4)
        assert journals.missing.tolist() == [2, 3]
        assert journals.damaged == ({} if end == last else {path.name: 1})
        again = write(tmp_path, [2, 3], rank=9)
        require_whole(read(tmp_path, 4), 4)
        again.unlink()


def test_a_flipped_bit_anywhere_never_changes_a_score(tmp_path):
    """At most the cases of two lines are lost, or all where the first line no longer says of what they are."""
    path = write(tmp_path, [0, 1], [2], [3])
    content = path.read_bytes()
    ends = [i for i, byte in enumerate(content) if byte == ord("\n")]
    random = np.random.default_rng(0)
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        journals = read(tmp_path, 4)
        assert journals.damaged
        assert 1 <= len(journals.missing) <= 4
        if at > ends[0]:
            assert len(journals.missing) < 4
        if at % 10 == 0:
            again = write(tmp_path, *[[int(index)] for index in journals.missing], rank=9)
            require_whole(read(tmp_path, 4), 4)
            again.unlink()


def test_lines_that_are_gone_or_doubled_or_in_another_order_do_no_harm(tmp_path):
    path = write(tmp_path, [0, 1], [2, 3], [4, 5])
    head, *lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + lines[2] + lines[0] + lines[2] + b"\n" + lines[0])
    journals = read(tmp_path, 6)
    assert journals.missing.tolist() == [2, 3]
    assert journals.damaged == {path.name: 1}


def test_a_deleted_an_empty_and_a_nonsensical_file_are_cases_to_do_again(tmp_path):
    first = write(tmp_path, [0, 1], rank=0)
    write(tmp_path, [2, 3], rank=1).unlink()
    (tmp_path / "0002-empty.journal").touch()
    (tmp_path / "0003-nonsense.journal").write_bytes(bytes(range(256)) * 50)
    (tmp_path / "0004-folder.journal").mkdir()
    (tmp_path / "notes.txt").write_text("not ours")
    journals = read(tmp_path, 4)
    assert journals.missing.tolist() == [2, 3]
    assert list(journals.damaged) == ["0003-nonsense.journal"]
    first.unlink()
    assert read(tmp_path, 4).done == 0


def test_a_file_without_line_ends_does_not_take_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("training.evaluation.journal._LONGEST", 1000)
    (tmp_path / "0000-long.journal").write_bytes(b"x" * 50_000)
    assert read(tmp_path, 4).damaged == {"0000-long.journal": 1}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"samples": [4]}, r"samples = \[4\], now \[1, 3\]"),
        ({"sampling": {"model": "m", "eta": 0.5}}, r"sampling\.eta = 0\.5, now 0\.0"),
        ({"git_commit": "old"}, 'git_commit = "old", now null'),
    ],
)
def test_the_journal_of_another_evaluation_is_refused_with_what_differs(tmp_path, change, says):
    write(tmp_path, [0], request={**REQUEST, **change})
    with pytest.raises(ConfigError, match=says) as refused:
        read(tmp_path, 4)
    assert "go on with that one, remove the folder, or give another --out" in str(refused.value)


def test_a_file_in_place_of_the_folder_is_one_clear_error(tmp_path):
    (tmp_path / "parts").write_text("not a folder")
    with pytest.raises(ConfigError, match=r"cannot write .*parts"):
        Journal(tmp_path / "parts", REQUEST)


def test_a_full_disk_is_one_clear_error_and_what_was_written_stays(tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(tmp_path, REQUEST) as journal:
        journal.add(block(0, 1), None)
        written = sum(path.stat().st_size for path in tmp_path.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (written + 100, before[1]))
        try:
            with pytest.raises(ConfigError, match=r"cannot write .*run again, what is done is kept"):
                journal.add(block(2, 3), None)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read(tmp_path, 4).missing.tolist() == [2, 3]


def test_a_journal_that_changes_under_the_reader_is_an_error(tmp_path):
    path = write(tmp_path, [0], [1])
    journals = read(tmp_path, 2)
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match="was changed while it was read; evaluate again"):
        list(journals)
    shutil.rmtree(tmp_path)
    with pytest.raises(ConfigError, match="cannot read"):
        list(journals)


def test_more_journals_than_may_be_open_at_once_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("training.evaluation.journal._MOST_OPEN", 3)
    for rank in range(10):
        write(tmp_path, [rank], [rank + 10], rank=rank)
    require_whole(read(tmp_path, 20), 20)


def test_a_journal_is_text_that_says_what_it_is(tmp_path):
    path = write(tmp_path, [0])
    head, line = path.read_text(encoding="ascii").splitlines()
    assert json.loads(head.partition(" ")[2]) == REQUEST
    assert json.loads(line.partition(" ")[2].rpartition(" ")[0])["cases"][0][0] == "key-0 é\n"


def peak_of(n_cases, folder):
    """Bytes of memory at most, beyond what is there before, to score, journal and merge so many cases."""
    plan = Plan((2,), ())
    patients = ["p"] * n_cases
    image = np.zeros((4, 4), np.float32)
    masks = np.eye(4, dtype=bool).reshape(4, 2, 2).repeat(2, 1).repeat(2, 2)[:2]
    cases = ((i, AnnotatedSlice(image, masks, "p", "k")) for i in range(n_cases))
    tracemalloc.start()
    try:
        with Journal(folder, REQUEST) as journal:
            for case in evaluate_cases(ExpertsOracle(), cases, plan):
                journal.add(ScoredBlock([case], 0.0, 0.0), None)
        journals = Journals(folder, REQUEST, plan, n_cases)
        summary = Summary(plan, patients, 2)
        with CaseTable(folder / "scores.csv", plan) as table:
            for case in journals:
                summary.add(case)
                table.add(case)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_grows_by_a_few_bytes_a_case(tmp_path):
    """12 bytes for where a case lies on the disk, and nothing of its masks, scores or votes."""
    few, many = 1_000, 20_000
    peak_of(few, tmp_path / "warm")
    growth = peak_of(many, tmp_path / "many") - peak_of(few, tmp_path / "few")
    assert growth < 40 * (many - few)
