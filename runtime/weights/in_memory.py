"""Weights as a caller gives them: tensors or arrays by name become arrays of floating-point numbers, or it is said why
they cannot."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError, raising, tell_value
from archspec.log import warn
from archspec.wording import cut_middle, list_some

FLOATS = ("float16", "bfloat16", "float32", "float64")
"""The types of weights, by torch's names."""

COUNTER = "num_batches_tracked"
"""The name of the counter that torch's own normalizations hold beside their weights; evaluation does not read it."""


@raising(InputError)
def take_weights(weights: Mapping[str, Any]) -> dict[str, Array]:
    """Take tensors or arrays by name, as in a state dict, as arrays of this machine's byte order.

    Those of float16, float32 and float64 keep their type, without a copy where they lie in memory; bfloat16 becomes
    float32, which is exact. Counters of batches are left out, since nothing reads them.

    Raises InputError where it is no such mapping, and where a weight has another type, or no numbers.
    """
    if not isinstance(weights, Mapping):
        raise InputError(f"weights are tensors or arrays by name, found {_tell_instead(weights)}")
    taken = {}
    for name, value in weights.items():
        if not isinstance(name, str):
            raise InputError(f"weights are tensors or arrays by name; the name {tell_value(name)} is no string")
        if not is_counter(name):
            taken[name] = take_weight(value, f"the weight '{name}'")
    return taken


def take_weight(value: Any, what: str) -> Array:
    """Take one tensor or array, called `what` in messages. Raises ArchspecError where it holds no weights."""
    torch = sys.modules.get("torch")  # who gives a tensor has imported it
    try:
        if torch is not None and isinstance(value, torch.Tensor):
            return _take_tensor(value, what)
        return _take_array(value, what)
    except ArchspecError:
        raise
    except Exception as error:  # whatever objects raise when they are asked for their numbers
        reason = cut_middle(str(error), 200)
        raise ArchspecError(f"{what} has no numbers to read, being {tell_value(value)}: {reason}") from error


def is_counter(name: str) -> bool:
    """Tell whether a state dict counts batches under this name, rather than to hold a weight."""
    return name.rpartition(".")[2] == COUNTER


def tell_rounding(weights: Mapping[str, Array]) -> None:
    """Say once which weights of 64 bits float32 does not hold as they are."""
    wide = [name for name, array in weights.items() if array.dtype == np.float64 and _is_rounded(array)]
    if wide:
        warn(f"weights of 64 bits are rounded to float32: {list_some(wide)}")


def _is_rounded(array: Array) -> bool:
    with np.errstate(over="ignore"):
        return bool((array != array.astype(np.float32)).any())


def refuse_type(what: str, kind: str) -> NoReturn:
    """Raises ArchspecError: numbers of this type are no weights. `kind` is the type's name in numpy, torch or
    safetensors."""
    quantized = kind.lower().startswith(("i", "u", "b", "float8", "f8"))
    meant = "; quantized checkpoints hold such, and without their scales they are other numbers" if quantized else ""
    raise ArchspecError(f"{what} is of type {kind}, and weights are of {', '.join(FLOATS)}{meant}")


def check_plain(tensor: Any, what: str) -> None:
    """Raises ArchspecError where a tensor of torch does not hold its numbers one by one."""
    if tensor.is_meta or str(tensor.layout) != "torch.strided" or tensor.is_quantized:
        found = "on the meta device, without numbers" if tensor.is_meta else "sparse or quantized"
        raise ArchspecError(f"{what} is {found}; weights are plain tensors")


def _take_tensor(tensor: Any, what: str) -> Array:
    check_plain(tensor, what)
    kind = str(tensor.dtype).removeprefix("torch.")
    if kind not in FLOATS:
        refuse_type(what, kind)
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    array: Array = (plain.float() if kind == "bfloat16" else plain).numpy()  # numpy has no bfloat16
    return array


def _take_array(value: Any, what: str) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        raise ArchspecError(f"{what} is a masked array; weights have all their numbers: fill it first")
    array = np.asarray(value)
    if array.dtype.name not in FLOATS:
        refuse_type(what, array.dtype.name)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _tell_instead(value: Any) -> str:
    """Tell what was given in place of a state dict, and what to give."""
    if callable(getattr(value, "state_dict", None)):
        return f"a {type(value).__name__}: give its state_dict()"
    if isinstance(value, str | bytes) or hasattr(value, "__fspath__"):
        return "the name of a file: `weights, facts = archspec.read_weights(…)` reads it"
    if isinstance(value, tuple) and value and isinstance(value[0], Mapping):
        return "several values: of what archspec.read_weights gives, the first are the weights"
    return tell_value(value)
