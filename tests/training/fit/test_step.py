"""One optimizer step: what it computes, against a slow reference, and what it does when a number is not finite."""

import copy
import math

import pytest
import torch

from training.build import build_denoiser, build_objective
from training.config import FitConfig
from training.fit.batches import Batch
from training.fit.step import MAX_SKIPPED_IN_ROW, TrainingStep, average_share, learning_rate
from training.processes import Processes

from .tiny_runs import bits, quick

pytestmark = pytest.mark.usefixtures("one_thread")


def batch(seed, device="cpu", size=4):
    made = torch.Generator().manual_seed(seed)
    x0 = (torch.rand(size, 1, 32, 32, generator=made) > 0.5).float() * 2 - 1
    image, eps = torch.rand(size, 1, 32, 32, generator=made), torch.randn(size, 1, 32, 32, generator=made)
    t = torch.rand(size, generator=made, dtype=torch.float64)
    return Batch(None, None, *(tensor.to(device) for tensor in (image, x0, t, eps)))


def poisoned(seed):
    made = batch(seed)
    made.eps[0, 0, 0, 0] = math.nan
    return made


def config(*changes):
    return quick("fit.batch_size=4", *changes)


def stepper(chosen, objective=None, device="cpu"):
    processes = Processes(device=torch.device(device))
    return TrainingStep(build_denoiser(chosen), objective or build_objective(chosen), chosen.fit, processes)


def state(step):
    """Everything that a step may change, but for what it counts, as bytes."""
    tensors = {f"weight {name}": p.detach() for name, p in step.denoiser.named_parameters()}
    tensors |= {f"average {name}": average for name, average in step.ema.items()}
    for number, moments in enumerate(step.optimizer.state.values()):
        tensors |= {f"{key} {number}": value for key, value in moments.items()}
    return {name: bits(tensor.cpu()) for name, tensor in tensors.items()}


def counts(step):
    return {name: float(value) for name, value in step.counters.items()}


def farthest(begun, now):
    """The largest change of any weight."""
    return max(float((one - other).abs().max()) for one, other in zip(begun, now, strict=True))


def test_the_learning_rate_rises_stays_and_falls_to_zero():
    fit = FitConfig(steps=100, warmup_steps=10, decay_steps=40, learning_rate=0.2)
    assert learning_rate(fit, 0) == pytest.approx(0.02)
    assert learning_rate(fit, 9) == learning_rate(fit, 30) == learning_rate(fit, 60) == 0.2
    assert learning_rate(fit, 80) == pytest.approx(0.1)
    assert learning_rate(fit, 99) == pytest.approx(0.1 * (1 + math.cos(math.pi * 39 / 40)))


def test_the_average_is_short_at_first_and_then_as_long_as_the_decay_says():
    assert average_share(0.999, 0) == pytest.approx(0.9)
    assert average_share(0.999, 8) == pytest.approx(0.5)
    assert average_share(0.999, 10**6) == pytest.approx(0.001)
    assert average_share(0.5, 10**6) == pytest.approx(0.5)


def test_steps_equal_a_plain_loop_with_the_plain_optimizer():
    chosen = config("fit.ema_decay=0.6", "fit.clip_norm=0.1", "fit.weight_decay=0.1")
    step, plain, objective = stepper(chosen), build_denoiser(chosen), build_objective(chosen)
    slow = torch.optim.AdamW(plain.parameters(), weight_decay=0.1, foreach=False, fused=False)
    averages = {name: p.detach().double() for name, p in plain.named_parameters()}
    losses, norms = [], []
    for number in range(4):
        made = batch(number)
        step(number, made)

        loss = objective(plain, made.x0, made.image, made.t, made.eps).mean()
        slow.zero_grad()
        loss.backward()
        norms.append(math.sqrt(sum(float(p.grad.double().square().sum()) for p in plain.parameters())))
        for p in plain.parameters():
            p.grad *= min(1.0, 0.1 / norms[-1])
        slow.param_groups[0]["lr"] = learning_rate(chosen.fit, number)
        slow.step()
        decay = min(0.6, (1 + number) / (10 + number))
        for name, p in plain.named_parameters():
            averages[name] = decay * averages[name] + (1 - decay) * p.detach().double()
        losses.append(loss.item())
    for (name, found), expected in zip(step.denoiser.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(step.ema[name].double(), averages[name], rtol=1e-4, atol=1e-5)
    found = counts(step)
    assert found["loss_sum"] == pytest.approx(sum(losses), rel=1e-5)
    assert found["grad_norm"] == pytest.approx(norms[-1], rel=1e-4)
    assert max(norms) > 0.1, "nothing was clipped"
    assert (found["loss_steps"], found["skipped"], found["failed_at"]) == (4, 0, -1)


def test_a_step_with_a_number_that_is_not_finite_changes_nothing():
    step = stepper(config("fit.ema_decay=0.9"))
    step(0, batch(0))
    before, counted = state(step), counts(step)
    step(1, poisoned(1))
    assert state(step) == before
    assert counts(step) == counted | {"skipped": 1, "skipped_in_row": 1}
    step(2, batch(2))
    assert state(step) != before
    assert counts(step)["skipped_in_row"] == 0


def test_a_loss_that_overflows_while_its_gradient_does_not_is_skipped_too():
    step = stepper(
        config(), lambda denoiser, x0, image, t, *_: denoiser.output(x0, t, image).mean((1, 2, 3)) + math.inf
    )
    step(0, batch(0))
    assert counts(step)["skipped"] == 1
    initial = build_denoiser(config())
    assert all(torch.equal(a, b) for a, b in zip(step.denoiser.parameters(), initial.parameters(), strict=True))


def test_a_gradient_that_overflows_is_skipped_too():
    step = stepper(config(), lambda denoiser, x0, image, t, *_: 1e38 * denoiser.output(x0, t, image).sum((1, 2, 3)))
    step(0, batch(0))
    assert counts(step)["skipped"] == 1


def test_the_fourth_in_a_row_is_noted_and_stays_noted():
    step = stepper(config())
    for number in range(MAX_SKIPPED_IN_ROW):
        step(number, poisoned(number))
    step(3, batch(3))
    assert counts(step)["failed_at"] == -1
    for number in range(4, 10):
        step(number, poisoned(number))
    step(10, batch(10))
    assert counts(step)["failed_at"] == 7


def test_the_network_has_its_averages_within_the_block_alone():
    step = stepper(config("fit.ema_decay=0.9"))
    for number in range(3):
        step(number, batch(number))
    own = copy.deepcopy(step.denoiser.state_dict())
    with step.averaged():
        assert all(torch.equal(weight, step.ema[name]) for name, weight in step.denoiser.state_dict().items())
    assert all(torch.equal(weight, own[name]) for name, weight in step.denoiser.state_dict().items())
    assert any(not torch.equal(own[name], step.ema[name]) for name in own)


def test_under_autocast_weights_gradients_and_moments_stay_float32():
    losses = {}
    for precision in ("bf16", "fp32"):
        step = stepper(config(f"fit.precision={precision}"))
        for number in range(3):  # the network's last layer begins as zeros
            step(number, batch(number))
        losses[precision] = counts(step)["loss_sum"]
        moments = next(iter(step.optimizer.state.values()))
        parameter = next(step.denoiser.parameters())
        assert {parameter.dtype, parameter.grad.dtype, moments["exp_avg"].dtype} == {torch.float32}
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)
    assert losses["bf16"] != losses["fp32"], "bfloat16 was not in use"


@pytest.mark.cuda
def test_on_a_gpu_a_step_waits_for_nothing():
    step = stepper(config("fit.determinism=fast", "fit.ema_decay=0.9"), device="cuda")
    batches = [batch(number, "cuda") for number in range(8)]
    for number in range(5):
        step(number, batches[number])
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(5, 8):
            step(number, batches[number])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert counts(step)["loss_steps"] == 8


@pytest.mark.cuda
@pytest.mark.parametrize("changes", [(), ("diffusion.self_conditioning=true",)])
def test_captured_steps_train_the_same_model_as_plain_ones(changes):
    """Skipped steps and averages included; "repeatable" is not captured."""
    tolerance = 2e-3
    states = []
    for determinism in ("fast", "repeatable"):
        chosen = config(f"fit.determinism={determinism}", "fit.precision=fp32", "fit.ema_decay=0.9", *changes)
        step = stepper(chosen, device="cuda")
        begun = [p.detach().clone() for p in step.denoiser.parameters()]
        for number in range(10):
            made = batch(number, "cuda")
            if changes:
                made = Batch(*(None, None), made.image, made.x0, made.t, made.eps, torch.arange(4, device="cuda") < 2)
            if number == 6:
                made.eps[0, 0, 0, 0] = math.nan
            step(number, made)
        assert step.is_settled
        assert counts(step)["skipped"] == 1
        trained, averages = [p.detach() for p in step.denoiser.parameters()], list(step.ema.values())
        assert farthest(begun, trained) > 4 * tolerance, "the weights hardly moved"
        assert farthest(begun, averages) > 4 * tolerance, "the averages hardly moved"
        states.append(trained + averages)
    for captured, plain in zip(*states, strict=True):
        torch.testing.assert_close(captured, plain, rtol=1e-2, atol=tolerance)


@pytest.mark.cuda
def test_no_stream_that_is_asked_for_later_is_that_of_the_captured_step():
    """Torch gives its streams out in turn; a graph captured on the same one would share buffers with the step."""
    step = stepper(config("fit.determinism=fast"), device="cuda")
    own = step._graphed._stream.cuda_stream
    assert own not in {torch.cuda.Stream().cuda_stream for _ in range(100)}
