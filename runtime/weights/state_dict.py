"""State dicts that others wrote: what a file holds, bounded by its size, and each tensor read when it is wanted."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.arrays import Array
from archspec.errors import ModelError, raising
from archspec.extras import extra
from archspec.file_types import SAFETENSORS, TORCH, advise_unpacking, find_file_type
from archspec.files import check_is_file
from archspec.wording import cut
from runtime.weights.in_memory import check_plain, take_weight
from runtime.weights.safetensors_file import StoredTensor, check_finite, open_weights

if TYPE_CHECKING:
    import torch

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""The keys under which checkpoints hold the state dict, beside the optimizer's and others."""

MAX_NAME = 1000
"""The most characters of a tensor's name."""

MAX_WRAPPING = 2
"""The most dictionaries around a state dict that are opened, one inside the other."""


@raising(ModelError)
def read_state_dict(path: str | Path) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """Open a state dict: its tensors by name, and what its file says of it, of a safetensors file, or of one that
    `torch.save` wrote (.pth, .pt, .bin), which says nothing.

    Of the latter nothing but tensors is taken (`weights_only`): no code in it is run. A dictionary around the state
    dict is taken away. Raises ModelError where the file is missing, cut off or of another kind, or where a tensor
    claims more numbers than are stored; MissingExtra where torch is needed.
    """
    path = Path(path)
    check_is_file(path)
    kind = find_file_type(path)
    if kind not in (TORCH, SAFETENSORS):
        found = f"is {kind}" if kind else "is no state dict, in safetensors or by torch.save"
        raise ModelError(f"{path} {found}{advise_unpacking(kind, path)}")
    stored, facts = open_weights(path) if kind == SAFETENSORS else (_read_saved(path), {})
    if not stored:
        raise ModelError(f"{path} holds no tensors")
    return stored, facts


def _read_saved(path: Path) -> dict[str, StoredTensor]:
    with extra("train"):
        import torch

    with path.open("rb") as file:
        is_zip = file.read(2) == b"PK"
    if is_zip:
        _check_zip(path)
    try:
        with warnings.catch_warnings():  # about storages of old files
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling anybody's bytes raises nearly anything
        raise ModelError(f"{path} is no state dict, in safetensors or by torch.save: {_explain(error)}") from error
    state = _unwrap(loaded, path)
    return {name: _describe_tensor(value, f"{path}: the weight '{name}'") for name, value in state.items()}


def _explain(error: Exception) -> str:
    """Tell what is wrong; torch itself advises to load such a file without `weights_only`, which would run its code."""
    if found := re.search(r"GLOBAL ([\w.]{1,80})", str(error)):
        named = f"beside tensors it names {found[1]}, and no code of a file is run"
        return f"{named}: torch.save(module.state_dict(), …) writes none"
    return "it holds something else than tensors, or it is cut off"


def _check_zip(path: Path) -> None:
    """Check the zip: `torch.save` compresses nothing; records that unpack to more than the file would fill the
    memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{path} is not a file of torch.save, or it is cut off: {error}") from error
    size = sum(record.file_size for record in records)
    if any(record.compress_type for record in records) or size > path.stat().st_size:
        raise ModelError(f"{path} unpacks to {size:,} bytes, more than it has; torch.save does not compress")


def _unwrap(loaded: Any, path: Path) -> Mapping[str, Any]:
    """The state dict itself. A checkpoint holds it under a key."""
    for _ in range(MAX_WRAPPING):
        inner = next((loaded[key] for key in WRAPPERS if isinstance(loaded, dict) and key in loaded), None)
        loaded = inner if isinstance(inner, dict) else loaded
    if not isinstance(loaded, dict):
        found = type(loaded).__name__
        raise ModelError(f"{path} holds a {found}, not a state dict: a dictionary of tensors by name")
    for name in loaded:
        if not isinstance(name, str) or len(name) > MAX_NAME:
            raise ModelError(f"{path} is no state dict: names should be strings, found {cut(repr(str(name)), 62)}")
    return loaded


def _describe_tensor(value: Any, what: str) -> StoredTensor:
    import torch

    if type(value) not in (torch.Tensor, torch.nn.Parameter):
        kinds = ", ".join(WRAPPERS)
        raise ModelError(
            f"{what} is a {type(value).__name__}, not a tensor; a state dict inside a checkpoint is found under {kinds}"
        )
    check_plain(value, what)
    held = value.untyped_storage().nbytes() // value.element_size()
    if value.numel() > held:
        raise ModelError(f"{what} claims {value.numel():,} numbers, of which {held:,} are stored")
    return StoredTensor(tuple(value.shape), str(value.dtype).removeprefix("torch."), partial(_read_tensor, value, what))


@raising(ModelError)
def _read_tensor(tensor: torch.Tensor, what: str) -> Array:
    return check_finite(what, take_weight(tensor, what))
