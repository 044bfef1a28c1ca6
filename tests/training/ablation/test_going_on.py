"""An ablation that is stopped, killed or shared comes to the same scores, each training done once."""

from __future__ import annotations

import json
import shutil

import pytest

from training.ablation import run as ablation_run
from training.ablation.claims import claimed
from training.ablation.run import Working, ablate
from training.model_card import checkpoints

from .small_runs import files, finished, run, trained_steps


@pytest.mark.parametrize("stops", [(3,), (12, 1, 9)])
def test_stopped_anywhere_and_started_again_it_comes_to_the_same_scores(whole, small, tmp_path, stops):
    ablation, out = small(), tmp_path / "out"
    for stop in stops:
        asked = iter(range(10_000))
        _, outcome = run(ablation, out, should_stop=lambda asked=asked, stop=stop: next(asked) >= stop)
        assert outcome.was_stopped
        assert outcome.count("failed") == 0
    _, outcome = run(ablation, out)
    assert outcome.count("done") == 4
    assert files(out) == files(whole[1])


@pytest.mark.parametrize("after", [1, 6, 7])
def test_killed_anywhere_it_comes_to_the_same_scores(whole, small, tmp_path, after):
    """Closing the generator is what the power does: no checkpoint, no goodbye."""
    ablation, out = small(), tmp_path / "out"
    work = ablate(ablation, out, device="cpu")
    for _ in range(after):
        next(work)
    work.close()
    _, outcome = run(ablation, out)
    assert outcome.count("done") == 4
    assert files(out) == files(whole[1])


def test_killed_between_the_end_of_a_training_and_its_clean_up_it_goes_on(whole, small, tmp_path, monkeypatch):
    ablation, out = small(), tmp_path / "out"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ablation_run, "keep_weights", killed)
        with pytest.raises(KeyboardInterrupt):
            run(ablation, out)
    events, outcome = run(ablation, out)
    assert trained_steps(events) == [2, 4, 6, 8, 10]  # the first training is not done again
    assert outcome.count("done") == 4
    assert files(out) == files(whole[1])


def test_a_training_of_other_settings_under_the_same_name_is_not_scored(small, tmp_path):
    """As after a new version with another default, which the name does not tell."""
    ablation, out = small(), tmp_path / "out"
    run(ablation, out, part=(0, 2))
    card = checkpoints(out / "runs" / ablation.runs[0].name)[-1].with_suffix(".json")
    found = json.loads(card.read_text())
    found["config"]["fit"]["learning_rate"] = 0.5
    card.write_text(json.dumps(found))
    for cell in ablation.cells[:2]:
        (out / "small" / f"{cell.id}.json").unlink()
    _, outcome = run(ablation, out, part=(0, 2))
    assert outcome.count("failed") == 2
    assert all("was trained with fit.learning_rate = 0.5" in state.reason for state in outcome.states.values())


def test_trainings_may_be_removed_once_everything_is_scored(small, tmp_path):
    ablation, out = small(), tmp_path / "out"
    run(ablation, out)
    shutil.rmtree(out / "runs")
    events, outcome = run(ablation, out)
    assert (events, outcome.count("done")) == ([], 4)


def test_two_at_once_share_the_trainings_and_both_end_with_all_cells(whole, small, tmp_path):
    ablation, out = small(), tmp_path / "out"
    first = ablate(ablation, out, device="cpu")
    opening = [next(first)]  # it has begun the first training, and keeps it until it is asked again
    assert opening[0].doing == "training"
    second, others = ablate(ablation, out, device="cpu"), []
    while not (others and isinstance(others[-1], Working) and others[-1].doing == "waiting"):
        others.append(next(second))
    assert [event.cell.labels["prediction"] for event in finished(others)] == ["v", "v"]
    assert (others[-1].done, others[-1].total) == (0, 2)
    mine = opening + list(first)
    assert [event.cell.labels["prediction"] for event in finished(mine)] == ["x", "x"]
    rest = list(second)
    assert finished(rest) == []
    assert len(trained_steps(mine + others)) == 2 * 5
    assert files(out) == files(whole[1])


def test_a_scoring_that_another_process_does_is_left_to_it(small, tmp_path):
    ablation, out = small(), tmp_path / "out"
    lock = out / ".claims" / f"small_{ablation.cells[0].id}.lock"
    with claimed(lock) as is_mine, claimed(lock) as is_mine_too:
        assert (is_mine, is_mine_too) == (True, False)
        work, events = ablate(ablation, out, device="cpu"), []
        while not (events and isinstance(events[-1], Working) and events[-1].doing == "waiting"):
            events.append(next(work))
        assert [event.cell for event in finished(events)] == list(ablation.cells[1:])
    assert [event.cell for event in finished(list(work))] == [ablation.cells[0]]


def test_parts_together_are_the_whole(whole, small, tmp_path):
    ablation, out = small(), tmp_path / "out"
    for part in range(3):  # one of them has nothing to do
        _, outcome = run(ablation, out, part=(part, 3))
        assert outcome.count("done") == len(outcome.states) == (2, 2, 0)[part]
    assert files(out) == files(whole[1])
