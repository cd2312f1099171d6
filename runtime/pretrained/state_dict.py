"""State dicts that others wrote: what a file holds, bounded by its size, and each tensor read when it is wanted."""

from __future__ import annotations

import math
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from archspec.files import check_is_file
from runtime.extras import extra
from runtime.strict_json import read_json

if TYPE_CHECKING:
    import torch

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""The keys under which checkpoints hold the state dict, beside the optimizer's and others."""

PREFIXES = ("module.", "_orig_mod.")
"""What torch's wrappers for several GPUs and for compiled modules put before every name."""

FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""numpy's types for those of safetensors; bfloat16 is the upper half of a float32."""

LONGEST_NAME = 1000


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor in a file: its shape and type, and how to read it as float32."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], npt.NDArray[np.float32]]


def read_state_dict(path: str | Path) -> dict[str, Stored]:
    """What a state dict holds, by name: of a safetensors file, or of a file that `torch.save` wrote (.pth, .pt, .bin).

    Of the latter nothing but tensors is taken (`weights_only`): no code in it is run. A dictionary around the state
    dict, and a prefix that all names have, are taken away. Raises ArchspecError where the file is missing, cut off or
    of another kind, or where a tensor claims more numbers than are stored; MissingExtra where torch is needed.
    """
    path = Path(path)
    check_is_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise ArchspecError(f"cannot read {path}: {error.strerror or error}") from error
    found = _read_safetensors(path) if head[8:] == b"{" else _read_saved(path, is_zip=head.startswith(b"PK"))
    if not found:
        raise ArchspecError(f"{path} holds no tensors")
    return _strip_prefixes(found)


def _read_safetensors(path: Path) -> dict[str, Stored]:
    with extra("train"):
        from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy"):
            pass  # its checks: the header is whole, extents fit types and offsets, no two tensors overlap
    except (SafetensorError, OSError) as error:
        raise ArchspecError(f"{path} is not a safetensors file, or it is cut off: {error}") from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = read_json(file.read(length), f"the header of {path}")
    rows = {name: row for name, row in header.items() if name != "__metadata__"}
    return {
        name: Stored(
            tuple(row["shape"]),
            row["dtype"],
            partial(_read_floats, path, name, row["dtype"], tuple(row["shape"]), 8 + length + row["data_offsets"][0]),
        )
        for name, row in rows.items()
    }


def _read_floats(path: Path, name: str, dtype: str, shape: tuple[int, ...], offset: int) -> npt.NDArray[np.float32]:
    if dtype not in FLOATS:
        raise ArchspecError(f"{path}: '{name}' is of type {dtype}; weights are floating-point: {', '.join(FLOATS)}")
    stored = np.fromfile(path, FLOATS[dtype], math.prod(shape), offset=offset)
    if dtype == "BF16":
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    return _to_float32(stored.reshape(shape), path, name)


def _to_float32(array: npt.NDArray[Any], path: Path, name: str) -> npt.NDArray[np.float32]:
    """A copy in float32. Raises ArchspecError where a number is none, or beyond what float32 holds."""
    with np.errstate(over="ignore"):
        floats = array.astype(np.float32)
    if not np.isfinite(floats).all():
        raise ArchspecError(f"{path}: '{name}' holds infinite numbers or NaN, or some beyond float32")
    return floats


def _read_saved(path: Path, *, is_zip: bool) -> dict[str, Stored]:
    with extra("train"):
        import torch

    if is_zip:
        _check_zip(path)
    try:
        with warnings.catch_warnings():  # about storages of old files
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling anybody's bytes raises nearly anything
        raise ArchspecError(f"{path} is no state dict, in safetensors or by torch.save: {_explain(error)}") from error
    state = _unwrap(loaded, path)
    return {name: _describe_tensor(value, f"{path}: '{name}'", path, name) for name, value in state.items()}


def _explain(error: Exception) -> str:
    """What is wrong; torch itself advises to load such a file without `weights_only`, which would run its code."""
    if found := re.search(r"GLOBAL ([\w.]{1,80})", str(error)):
        return f"beside tensors it names {found[1]}, and no code of a file is run"
    return "it holds something else than tensors, or it is cut off"


def _check_zip(path: Path) -> None:
    """`torch.save` compresses nothing; records that unpack to more than the file would fill the memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ArchspecError(f"{path} is not a file of torch.save, or it is cut off: {error}") from error
    size = sum(record.file_size for record in records)
    if any(record.compress_type for record in records) or size > path.stat().st_size:
        raise ArchspecError(f"{path} unpacks to {size:,} bytes, more than it has; torch.save does not compress")


def _unwrap(loaded: Any, path: Path) -> Mapping[str, Any]:
    """The state dict itself. A checkpoint holds it under a key; at most two such dictionaries are opened."""
    for _ in WRAPPERS[:2]:
        inner = next((loaded[key] for key in WRAPPERS if isinstance(loaded, dict) and key in loaded), None)
        loaded = inner if isinstance(inner, dict) else loaded
    if not isinstance(loaded, dict):
        found = type(loaded).__name__
        raise ArchspecError(f"{path} holds a {found}, not a state dict: a dictionary of tensors by name")
    for name in loaded:
        if not isinstance(name, str) or len(name) > LONGEST_NAME:
            raise ArchspecError(f"{path} is no state dict: names should be strings, found {str(name)[:60]!r}")
    return loaded


def _describe_tensor(value: Any, what: str, path: Path, name: str) -> Stored:
    import torch

    if type(value) not in (torch.Tensor, torch.nn.Parameter):
        kinds = ", ".join(WRAPPERS)
        raise ArchspecError(
            f"{what} is a {type(value).__name__}, not a tensor; a state dict inside a checkpoint is found under {kinds}"
        )
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        raise ArchspecError(f"{what} is sparse, quantized or without data; only plain tensors are converted")
    held = value.untyped_storage().nbytes() // value.element_size()
    if value.numel() > held:
        raise ArchspecError(f"{what} claims {value.numel():,} numbers, of which {held:,} are stored")
    return Stored(tuple(value.shape), str(value.dtype).removeprefix("torch."), partial(_to_array, value, path, name))


def _to_array(tensor: torch.Tensor, path: Path, name: str) -> npt.NDArray[np.float32]:
    import torch

    if tensor.dtype not in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        raise ArchspecError(f"{path}: '{name}' is of type {tensor.dtype}; weights are floating-point")
    exact = tensor.detach().float() if tensor.dtype == torch.bfloat16 else tensor.detach()  # numpy has no bfloat16
    return _to_float32(exact.numpy(), path, name)


def _strip_prefixes(found: Mapping[str, Stored]) -> dict[str, Stored]:
    names: Iterable[str] = found
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in names)), None):
        names = [name.removeprefix(prefix) for name in names]
    return dict(zip(names, found.values(), strict=True))
