"""Training learns, resumes bit for bit, stops when it is asked to, and saves nothing that is not finite."""

import errno
import json
import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from training.build import build_denoiser, load_segmenter
from training.checkpoint import load_weights
from training.errors import ConfigError, DeviceLostError
from training.fit import loop
from training.fit.batches import Batches
from training.fit.progress import Ending
from training.fit.run import train_run
from training.fit.step import TrainingStep
from training.fit.validation import Validation
from training.model_card import checkpoints, find_weights, newest_checkpoint
from training.presets import load_config

from .tiny_runs import killed_run, quick, require_equal_runs, run, weights

pytestmark = pytest.mark.usefixtures("one_thread")

EVERYTHING = [
    "fit.ema_decay=0.9",
    "diffusion.self_conditioning=true",
    "diffusion.image_dropout=0.2",
    "fit.augment.dihedral=true",
    "fit.augment.probability=0.5",
    "fit.validate_every=8",
    "fit.validation_cases=2",
    "fit.validation_samples=2",
    "sampling.steps=2",
]


def log(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_fresh_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    one = build_denoiser(quick()).state_dict()
    torch.manual_seed(2)
    same, other = build_denoiser(quick()).state_dict(), build_denoiser(quick("fit.seed=1")).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_training_lowers_the_loss(phantom, tmp_path):
    progress = run(load_config("tiny", ["fit.steps=120", "fit.log_every=20"]), phantom, tmp_path)
    assert [p.step for p in progress] == [20, 40, 60, 80, 100, 120]
    assert progress[-1].loss < 0.5 * progress[0].loss


# "fast" frees a GPU's libraries to choose; a CPU computes the same bits all the same.
@pytest.mark.parametrize(
    "changes",
    [(), EVERYTHING, ["fit.determinism=fast"], ["fit.determinism=fast", "fit.precision=bf16"]],
    ids=["plain", "with everything", "fast", "fast in bfloat16"],
)
def test_a_run_killed_three_times_equals_the_uninterrupted_one_bit_for_bit(phantom, tmp_path, changes):
    """Killed without warning: what was trained and logged after the last checkpoint is lost and done again."""
    config = quick("fit.steps=60", "fit.checkpoint_every=6", "fit.log_every=5", *changes)
    run(config, phantom, tmp_path / "whole")
    for step in (7, 23, 41):
        killed_run(step, config, phantom, tmp_path / "killed")
        assert newest_checkpoint(tmp_path / "killed").stem == f"step-{step // 6 * 6:08d}"
    run(config, phantom, tmp_path / "killed", must_resume=True)
    require_equal_runs(tmp_path / "whole", tmp_path / "killed")


def test_a_polite_stop_writes_a_checkpoint_and_leaves_no_trace_in_the_log(phantom, tmp_path):
    seen = []
    steps = train_run(quick(), [phantom], tmp_path / "stopped", "cpu", should_stop=lambda: len(seen) == 2)
    seen.extend(progress.step for progress in steps)
    assert seen == [5, 10, 11]
    assert newest_checkpoint(tmp_path / "stopped").stem == "step-00000011"
    run(quick("fit.checkpoint_every=9", "fit.keep_checkpoints=5"), phantom, tmp_path / "stopped", must_resume=True)
    run(quick("fit.checkpoint_every=9", "fit.keep_checkpoints=5"), phantom, tmp_path / "whole")
    require_equal_runs(tmp_path / "whole", tmp_path / "stopped")


def test_asked_to_stop_before_the_first_step_it_trains_nothing(phantom, tmp_path):
    assert run(quick(), phantom, tmp_path, should_stop=lambda: True) == []
    assert newest_checkpoint(tmp_path) is None


def test_asked_to_stop_while_it_saves_it_does_so_after_the_next_step(phantom, tmp_path, monkeypatch):
    asked = []
    original = loop.save_training_state
    monkeypatch.setattr(loop, "save_training_state", lambda *parts, **more: asked.append(1) or original(*parts, **more))
    progress = run(quick(), phantom, tmp_path, should_stop=lambda: bool(asked))
    assert progress[-1].step == 11
    assert [path.stem for path in checkpoints(tmp_path)] == ["step-00000010", "step-00000011"]


def test_asked_to_stop_while_it_validates_it_does_so_at_once_and_validates_again_later(phantom, tmp_path, monkeypatch):
    config = quick("fit.validate_every=10", "fit.validation_cases=6", "fit.validation_samples=2", "sampling.steps=4")
    run(config, phantom, tmp_path / "whole")
    asked, calls = [], []
    original = Validation.score

    def count(*_):
        calls.append(1)
        if len(calls) == 2:
            asked.append(1)

    def score(self, denoiser, should_stop):
        hook = denoiser.backbone.register_forward_pre_hook(count)
        found = original(self, denoiser, should_stop)
        hook.remove()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Validation, "score", score)
        progress = run(config, phantom, tmp_path / "stopped", should_stop=lambda: bool(asked))
    assert progress[-1].step == 10
    assert len(calls) == 4  # of the first case of six
    assert newest_checkpoint(tmp_path / "stopped").stem == "step-00000010"
    assert [entry["step"] for entry in log(tmp_path / "stopped")] == [5, 10]
    run(config, phantom, tmp_path / "stopped")
    require_equal_runs(tmp_path / "whole", tmp_path / "stopped")


def test_a_validation_that_is_stopped_twice_is_still_made(phantom, tmp_path, monkeypatch):
    """The second stop comes while a resumed run makes up for it: nothing may be trained before it is done."""
    config = quick("fit.validate_every=10", "fit.validation_cases=3", "fit.validation_samples=2")
    run(config, phantom, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Validation, "score", lambda *_: None)
        assert run(config, phantom, tmp_path / "stopped")[-1].step == 10
        assert run(config, phantom, tmp_path / "stopped") == []
    run(config, phantom, tmp_path / "stopped")
    require_equal_runs(tmp_path / "whole", tmp_path / "stopped")


def test_a_run_that_is_stopped_in_its_last_validation_is_not_complete(phantom, tmp_path, monkeypatch):
    config = quick("fit.validate_every=30", "fit.validation_cases=2", "fit.validation_samples=2")
    with monkeypatch.context() as patch:
        patch.setattr(Validation, "score", lambda *_: None)
        assert ended(config, phantom, tmp_path) == Ending(30, is_complete=False)
        assert ended(config, phantom, tmp_path) == Ending(30, is_complete=False)
    assert ended(config, phantom, tmp_path) == Ending(30, is_complete=True)
    assert (tmp_path / "checkpoints" / "best.safetensors").is_file()
    assert ended(config, phantom, tmp_path) == Ending(30, is_complete=True)


def ended(config, data, folder):
    """How a run ends: what its generator returns."""
    steps = train_run(config, [data], folder, "cpu")
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_a_validation_that_no_checkpoint_knows_of_is_forgotten_and_made_again(phantom, tmp_path, monkeypatch):
    """The disk is full after its line in the log and before the checkpoint; the line may not be there twice."""
    config = quick("fit.validate_every=10", "fit.validation_cases=2", "fit.validation_samples=2")
    run(config, phantom, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Validation, "score", lambda *_: None)
        run(config, phantom, tmp_path / "full")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_training_state", _raise_full)
        with pytest.raises(ConfigError, match="No space left"):
            run(config, phantom, tmp_path / "full")
    run(config, phantom, tmp_path / "full")
    require_equal_runs(tmp_path / "whole", tmp_path / "full")


def _raise_full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_without_the_files_of_the_best_model_the_next_one_is_the_best(phantom, tmp_path, monkeypatch):
    scores = iter([1.0, 3.0, 2.0])
    monkeypatch.setattr(Validation, "score", lambda *_: (next(scores), 1))
    killed_run(12, quick("fit.validate_every=10"), phantom, tmp_path)
    (tmp_path / "checkpoints" / "best.json").unlink()
    run(quick("fit.validate_every=10"), phantom, tmp_path)
    assert load_weights(tmp_path / "checkpoints" / "best.safetensors")[1].step == 30


def test_a_finished_run_has_nothing_left_to_do(phantom, tmp_path):
    run(quick(), phantom, tmp_path)
    assert run(quick(), phantom, tmp_path) == []


def test_a_run_folder_is_a_model(phantom, tmp_path):
    run(quick(), phantom, tmp_path)
    image = np.zeros((32, 32), np.float32)
    assert load_segmenter(tmp_path, "cpu").draw(image, 2, seed=0).masks.shape == (2, 32, 32)


def test_the_best_validated_model_is_kept_beside_the_newest(phantom, tmp_path, monkeypatch):
    scores = iter([4.0, 1.0, 2.0])
    monkeypatch.setattr(Validation, "score", lambda *_: (next(scores), 2))
    progress = run(quick("fit.validate_every=10", "fit.checkpoint_every=20"), phantom, tmp_path)
    assert [p.validation_ged for p in progress] == [None, 2.0, 2.0, 0.5, 0.5, 1.0]
    tensors, card = load_weights(find_weights(tmp_path / "checkpoints" / "best.safetensors"))
    assert card.step == 20
    assert card.scores == {"validation_ged_u": 0.5, "validation_cases": 2, "validation_samples": 4}
    assert [path.stem for path in checkpoints(tmp_path)] == ["step-00000020", "step-00000030"]
    at_20, _ = load_weights(checkpoints(tmp_path)[0])
    assert all(torch.equal(tensor, at_20[name]) for name, tensor in tensors.items())
    assert [entry["validation_ged_u"] for entry in log(tmp_path) if "validation_ged_u" in entry] == [2.0, 0.5, 1.0]


def test_a_resumed_run_knows_how_good_the_best_model_was(phantom, tmp_path, monkeypatch):
    scores = iter([1.0, 3.0, 2.0])
    monkeypatch.setattr(Validation, "score", lambda *_: (next(scores), 1))
    killed_run(12, quick("fit.validate_every=10"), phantom, tmp_path)
    run(quick("fit.validate_every=10"), phantom, tmp_path)
    assert load_weights(tmp_path / "checkpoints" / "best.safetensors")[1].step == 10


def test_the_averaged_weights_are_what_is_validated_and_drawn_with(phantom, tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(Validation, "score", lambda _, denoiser, *__: (seen.update(copied(denoiser)) or 1.0, 1))
    run(quick("fit.validate_every=30", "fit.ema_decay=0.9"), phantom, tmp_path)
    found = weights(tmp_path)
    best, _ = load_weights(tmp_path / "checkpoints" / "best.safetensors")
    for name, weight in seen.items():
        assert torch.equal(weight, found[f"ema.{name}"])
        assert torch.equal(weight, best[f"model.{name}"])
    assert not all(torch.equal(found[f"ema.{name}"], found[f"model.{name}"]) for name in seen)


def copied(denoiser):
    return {name: tensor.clone() for name, tensor in denoiser.state_dict().items()}


def poison(monkeypatch, steps):
    """One pixel of the noise is NaN at these steps, counted from 0."""
    original = Batches.at

    def at(self, step):
        batch = original(self, step)
        if step in steps:
            batch.eps[0, 0, 0, 0] = math.nan
        return batch

    monkeypatch.setattr(Batches, "at", at)


def test_up_to_three_steps_in_a_row_are_skipped_and_counted(phantom, tmp_path, monkeypatch):
    poison(monkeypatch, {1, 11, 12, 13, 15})
    progress = run(quick(), phantom, tmp_path)
    assert [p.skipped for p in progress] == [1, 1, 4, 5, 5, 5]
    assert all(math.isfinite(p.loss) for p in progress)
    assert [entry["skipped"] for entry in log(tmp_path)] == [1, 1, 4, 5, 5, 5]
    assert all(step == 25 for name, step in weights(tmp_path).items() if name.startswith("optimizer.step."))


def test_skipped_steps_survive_a_resume_bit_for_bit(phantom, tmp_path, monkeypatch):
    """Two skipped before the kill and two after are four in a row, as without the kill."""
    poison(monkeypatch, {8, 9, 10})
    config = quick("fit.checkpoint_every=5")
    run(config, phantom, tmp_path / "whole")
    killed_run(12, config, phantom, tmp_path / "killed")
    run(config, phantom, tmp_path / "killed")
    require_equal_runs(tmp_path / "whole", tmp_path / "killed")
    poison(monkeypatch, {11})
    with pytest.raises(ConfigError, match="up to step 12"):
        run(config, phantom, tmp_path / "fourth")
    assert newest_checkpoint(tmp_path / "fourth").stem == "step-00000010"
    with pytest.raises(ConfigError, match="up to step 12"):
        run(config, phantom, tmp_path / "fourth")


def test_more_than_three_end_the_run_and_name_slices_and_the_last_good_checkpoint(phantom, tmp_path, monkeypatch):
    poison(monkeypatch, range(12, 100))
    batches = []
    original = Batches.indices
    monkeypatch.setattr(Batches, "indices", lambda self, step: batches.append(step) or original(self, step))
    with pytest.raises(
        ConfigError, match=r"not finite in the 4 steps up to step 16, with the slices .* of phantom.hdf5"
    ):
        run(quick("fit.checkpoint_every=2", "fit.log_every=10"), phantom, tmp_path)
    assert batches == [12, 13, 14, 15]
    # Checkpoints of skipped steps hold the weights of step 12, which are finite.
    assert newest_checkpoint(tmp_path).stem == "step-00000014"
    saved = weights(tmp_path)
    assert all(saved[name].isfinite().all() for name in saved if not name.startswith("engine."))


def test_a_slice_that_is_not_finite_is_found_out(phantom, tmp_path, monkeypatch):
    original = Batches.at

    def at(self, step):
        batch = original(self, step)
        batch.image[:] = math.inf
        return batch

    monkeypatch.setattr(Batches, "at", at)
    with pytest.raises(ConfigError, match="the last good checkpoint is none"):
        run(quick(), phantom, tmp_path)


def test_a_device_that_gives_up_is_not_called_again(phantom, tmp_path, monkeypatch):
    class Counting(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.calls += 1
            return func(*args, **(kwargs or {}))

    after = Counting()

    original = TrainingStep.__call__

    def call(self, number, batch):
        if number == 12:
            after.__enter__()
            raise torch.AcceleratorError("CUDA error: unspecified launch failure\nmore")
        original(self, number, batch)

    monkeypatch.setattr(TrainingStep, "__call__", call)
    try:
        with pytest.raises(
            DeviceLostError, match=r"cpu gave up \(CUDA error: unspecified launch failure\); start the same"
        ):
            run(quick(), phantom, tmp_path)
    finally:
        after.__exit__(None, None, None)
    assert after.calls == 0
    monkeypatch.undo()
    assert newest_checkpoint(tmp_path).stem == "step-00000010"
    run(quick(), phantom, tmp_path)


def test_the_switches_of_torch_are_as_before_when_a_run_ends(phantom, tmp_path):
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cuda.matmul.fp32_precision
    steps = train_run(quick(), [phantom], tmp_path, "cpu")
    next(steps)
    assert torch.are_deterministic_algorithms_enabled()
    steps.close()
    assert (torch.are_deterministic_algorithms_enabled(), torch.backends.cuda.matmul.fp32_precision) == before
