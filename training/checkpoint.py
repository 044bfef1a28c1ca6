"""Weights and training state on disk: safetensors plus a JSON card.  No pickle, no code on load.

Each file is replaced atomically, tensors first and the card last, so that a card stands for a complete
checkpoint, whatever moment the power went.  A checkpoint of a run holds

    model.*      the weights
    ema.*        their moving averages, if there are any: what masks are then drawn with
    optimizer.*  the moments and step count of each weight
    engine.*     what the training loop counts
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from training.atomic import replacing, write_bytes
from training.errors import CheckpointError
from training.hashing import file_sha256
from training.model_card import CHECKPOINTS, ModelCard, checkpoints, read_card

MODEL, EMA, OPTIMIZER, ENGINE = "model.", "ema.", "optimizer.", "engine."
BEST = "best.safetensors"


def save_weights(path: Path, tensors: Mapping[str, Tensor], card: ModelCard) -> None:
    """Write ``path`` (``.safetensors``) and its card, whose ``sha256`` is filled in here.

    A card that is there already goes just before: new tensors beside an old card would be taken for damaged ones.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(contiguous))
        path.with_suffix(".json").unlink(missing_ok=True)
    complete = card.model_copy(update={"sha256": file_sha256(path)})
    write_bytes(path.with_suffix(".json"), complete.model_dump_json(indent=2).encode())


def load_weights(path: Path) -> tuple[dict[str, Tensor], ModelCard]:
    """Read weights and their card, and check that they belong together.

    Raises
    ------
    CheckpointError
        If either is missing or damaged, or their hashes differ.
    """
    card = read_card(path.with_suffix(".json"))
    try:
        if (digest := file_sha256(path)) != card.sha256:
            raise CheckpointError(
                f"{path} does not match its card: sha256 {digest[:12]} instead of {card.sha256[:12]}; "
                f"the file is damaged, take another copy or an earlier checkpoint"
            )
        return safetensors.torch.load_file(path), card
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file: {error}") from error


def model_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What masks are drawn with, by the names of the network's parameters: the moving averages if there are any."""
    prefix = EMA if any(name.startswith(EMA) for name in tensors) else MODEL
    return _with_prefix(tensors, prefix)


def save_training_state(
    run_dir: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    card: ModelCard,
    keep: int,
    *,
    ema: Mapping[str, Tensor] | None = None,
    engine: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write the checkpoint of step ``card.step`` and drop all but the newest ``keep``.

    Parameters
    ----------
    run_dir : gets ``checkpoints/step-NNNNNNNN.safetensors`` and its card
    model, optimizer : which have made at least one step
    card : what it is
    keep : how many checkpoints stay
    ema, engine : averages of the weights and what the loop counts, by name
    """
    folder = run_dir / CHECKPOINTS
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {MODEL + name: tensor for name, tensor in model.state_dict().items()}
    tensors |= {EMA + name: tensor for name, tensor in (ema or {}).items()}
    tensors |= {ENGINE + name: tensor for name, tensor in (engine or {}).items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state[parameter].items():
            tensors[f"{OPTIMIZER}{key}.{name}"] = value
    path = folder / f"step-{card.step:08d}.safetensors"
    save_weights(path, tensors, card)
    for old in checkpoints(run_dir)[:-keep]:
        old.with_suffix(".json").unlink()
        old.unlink()
    return path


def load_training_state(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    ema: Mapping[str, Tensor] | None = None,
    engine: Mapping[str, Tensor] | None = None,
) -> ModelCard:
    """Put a checkpoint back; the inverse of `save_training_state`.

    ``model``, ``ema`` and ``engine`` are filled in place.  What the checkpoint does not have of ``engine`` stays as
    it is, for those of earlier versions have none.

    Raises
    ------
    CheckpointError
        If it cannot be read, or has no state of the optimizer or no averages that are asked for.
    """
    try:
        tensors, card = load_weights(path)
    except CheckpointError as error:
        raise CheckpointError(f"{error}{_way_out(path)}") from error
    _fill(model, _with_prefix(tensors, MODEL), path)
    for name, average in (ema or {}).items():
        average.copy_(_required(tensors, EMA + name, path))
    found = _with_prefix(tensors, ENGINE)
    for name, number in (engine or {}).items():
        number.copy_(found.get(name, number))
    for name, parameter in model.named_parameters():
        step, *moments = (
            _required(tensors, f"{OPTIMIZER}{key}.{name}", path) for key in ("step", "exp_avg", "exp_avg_sq")
        )
        # The fused optimizer walks memory, not indices: moments must lie as their weights do.
        first, second = (torch.empty_like(parameter).copy_(moment).detach() for moment in moments)
        optimizer.state[parameter] = {"step": step.to(parameter.device), "exp_avg": first, "exp_avg_sq": second}
    return card


def load_model(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Fill ``model`` with what the tensors of ``path`` draw masks with; half-precision weights are widened.

    Raises
    ------
    CheckpointError
        If a tensor is missing, extra or of another shape.
    """
    _fill(model, model_tensors(tensors), path)


def run_card(run_dir: Path) -> ModelCard | None:
    """The card of a run's newest checkpoint; None if it has none.

    Raises
    ------
    CheckpointError
        If it cannot be read, with the way to an earlier checkpoint.
    """
    found = checkpoints(run_dir)
    if not found:
        return None
    try:
        return read_card(found[-1].with_suffix(".json"))
    except CheckpointError as error:
        raise CheckpointError(f"{error}{_way_out(found[-1])}") from error


def clear_unfinished(run_dir: Path) -> None:
    """Remove what processes have left that were killed while they wrote or dropped a checkpoint.

    The caller holds the folder's lock, so that no one is writing there.
    """
    folder = run_dir / CHECKPOINTS
    for path in [*folder.glob("step-*.safetensors"), *folder.glob(BEST)]:
        if not path.with_suffix(".json").exists():
            path.unlink()
    for path in [*run_dir.glob(".*.part"), *folder.glob(".*.part")]:
        path.unlink()


def _way_out(damaged: Path) -> str:
    """What to do about a run's checkpoint that cannot be read, if there is an earlier one."""
    earlier = [path for path in checkpoints(damaged.parents[1]) if path < damaged]
    if not earlier:
        return ""
    return f"; remove {damaged.name} and {damaged.stem}.json to go on from {earlier[-1].stem}"


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _required(tensors: Mapping[str, Tensor], name: str, path: Path) -> Tensor:
    if name not in tensors:
        raise CheckpointError(f"{path} cannot be resumed: it has no {name!r}; take a run's own checkpoint")
    return tensors[name]


def _fill(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if expected != found:
        name = min(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise CheckpointError(
            f"{path} holds another network than its card says: {name!r} should have shape "
            f"{expected.get(name, 'none')}, found {found.get(name, 'none')}"
        )
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
