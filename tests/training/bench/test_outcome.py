"""What a measurement found, as data and as text."""

import json
import math

import pytest

from training.bench.outcome import Gate, Group, Outcome, Row, ratio
from training.bench.table import lines, table

OURS = Row("ours", (1.0, 2.0, 4.0), {"flips": 0.0, "parameters": 6_891_905})
PEER = Row("peer", (3.0, 4.0, 4.0), {"flips": 12.5})
MACHINE = {
    "device": "cpu",
    "cpu": "a cpu",
    "cores": 2,
    "threads": 2,
    "memory_gib": 8.0,
    "system": "s",
    "python": "3",
    "torch": "2",
    "commit": "0123456789abcdef+",
    "load": None,
    "peak_memory_mib": 12.0,
}


def outcome(*gates):
    group = Group("Work", (OURS, PEER), ("ours", "absent"))
    return Outcome("Title", {"masks": 16}, MACHINE, (group,), gates, ("peer: a note",))


def test_a_ratio_is_taken_within_each_round():
    found = ratio(PEER, OURS)  # 3, 2 and 1, whatever the medians are
    assert (found.median, found.low, found.high) == (2.0, 1.0, 3.0)
    assert PEER.median / OURS.median == 2.0


def test_load_that_hits_a_whole_round_leaves_the_ratio_as_it_is():
    slow = Row("ours", (1.0, 20.0, 4.0), {}), Row("peer", (3.0, 40.0, 4.0), {})
    assert ratio(slow[1], slow[0]) == ratio(PEER, OURS)


@pytest.mark.parametrize(("value", "holds"), [(9.9, True), (10.0, True), (10.1, False), (math.nan, False)])
def test_a_gate_holds_up_to_its_limit(value, holds):
    gate = Gate("flips", value, 10.0)
    assert gate.holds == holds
    assert outcome(gate).holds == holds


def test_one_gate_that_fails_is_enough():
    assert not outcome(Gate("a", 0, 1), Gate("b", 2, 1)).holds
    assert outcome().holds


def test_the_facts_are_json_and_complete():
    facts = json.loads(json.dumps(outcome(Gate("flips", 3.0, 10.0)).facts(), allow_nan=False))
    ours, peer = facts["groups"][0]["rows"]
    assert peer["ratios"] == {"ours": {"median": 2.0, "low": 1.0, "high": 3.0}}
    assert ours["ratios"] == {"ours": {"median": 1.0, "low": 1.0, "high": 1.0}}
    assert (ours["seconds"], ours["median"], ours["parameters"]) == ([1.0, 2.0, 4.0], 2.0, 6_891_905)
    assert facts["gates"] == [{"name": "flips", "value": 3.0, "limit": 10.0, "holds": True}]
    assert facts["notes"] == ["peer: a note"]
    assert facts["machine"]["load"] is None


def test_the_table_has_a_line_for_each_row_and_aligned_columns():
    header, ours, peer = table(outcome().groups[0])
    assert len({len(header), len(ours), len(peer)}) == 1
    assert "x ours (min-max)" in header
    assert "x absent" not in header
    assert "2.00 (1.00-3.00)" in peer
    assert "12.5" in peer
    assert peer.endswith("-")  # its parameters are unknown
    assert ours.endswith("6,891,905")


def test_times_below_a_second_are_told_in_milliseconds():
    header, row = table(Group("Work", (Row("ours", (0.0125,), {}),), ()))
    assert "median ms" in header
    assert "12.5" in row
    assert "median s" in table(Group("Work", (OURS,), ()))[0]


def test_the_text_tells_machine_gates_and_notes():
    text = "\n".join(lines(outcome(Gate("flips", 30.0, 10.0))))
    for part in ("a cpu, 2 cores", "commit 0123456789+;", "load average -", "peer: a note", "3 rounds"):
        assert part in text
    assert "flips: 30 of at most 10 -- FAILS" in text
    assert "holds" in "\n".join(lines(outcome(Gate("flips", 1.0, 10.0))))
