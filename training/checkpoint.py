"""Weights and training state on disk: safetensors plus a JSON card.  No pickle, no code on load.

Each file is replaced atomically, tensors first and the card last, so that a card stands for a complete
checkpoint, whatever moment the power went.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from training.atomic import write_bytes
from training.errors import CheckpointError
from training.model_card import ModelCard, checkpoints, file_sha256, read_card

MODEL, OPTIMIZER = "model.", "optimizer."


def save_weights(path: Path, tensors: Mapping[str, Tensor], card: ModelCard) -> None:
    """Write ``path`` (``.safetensors``) and its card, whose ``sha256`` is filled in here."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, safetensors.torch.save(contiguous))
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


def save_training_state(
    run_dir: Path, model: nn.Module, optimizer: torch.optim.Optimizer, card: ModelCard, keep: int
) -> Path:
    """Write the checkpoint of step ``card.step`` and drop all but the newest ``keep``."""
    folder = run_dir / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {MODEL + name: tensor for name, tensor in model.state_dict().items()}
    for name, index in _parameter_indices(model).items():
        for key, value in optimizer.state_dict()["state"][index].items():
            tensors[f"{OPTIMIZER}{key}.{name}"] = value
    path = folder / f"step-{card.step:08d}.safetensors"
    save_weights(path, tensors, card)
    for old in checkpoints(run_dir)[:-keep]:
        old.with_suffix(".json").unlink()
        old.unlink()
    return path


def load_training_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> ModelCard:
    """Put a checkpoint back into ``model`` and ``optimizer``; the inverse of `save_training_state`."""
    tensors, card = load_weights(path)
    load_model(model, tensors, path)
    state: dict[int, dict[str, Tensor]] = {}
    parameters = dict(model.named_parameters())
    for name, index in _parameter_indices(model).items():
        prefixes = {key: f"{OPTIMIZER}{key}.{name}" for key in ("step", "exp_avg", "exp_avg_sq")}
        if missing := [tensor for tensor in prefixes.values() if tensor not in tensors]:
            raise CheckpointError(f"{path} cannot be resumed: it has no {missing[0]!r}; take a run's own checkpoint")
        state[index] = {key: tensors[tensor] for key, tensor in prefixes.items()}
        # The fused optimizer walks memory, not indices: moments must lie as their weights do.
        like = parameters[name]
        for key in ("exp_avg", "exp_avg_sq"):
            state[index][key] = torch.empty_like(like).copy_(state[index][key])
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return card


def load_model(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Fill ``model`` from the tensors of ``path``; half-precision weights are widened.

    Raises
    ------
    CheckpointError
        If a tensor is missing, extra or of another shape.
    """
    weights = {name.removeprefix(MODEL): tensor for name, tensor in tensors.items() if name.startswith(MODEL)}
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if expected != found:
        name = min(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise CheckpointError(
            f"{path} holds another network than its card says: {name!r} should have shape "
            f"{expected.get(name, 'none')}, found {found.get(name, 'none')}"
        )
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})


def _parameter_indices(model: nn.Module) -> dict[str, int]:
    """Names of the parameters in the order in which the optimizer numbers them."""
    return {name: index for index, (name, _) in enumerate(model.named_parameters())}
