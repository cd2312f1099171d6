"""The check that the weights of a file are those of a spec, and what to do where they are not."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, InputError
from archspec.file_types import SAFETENSORS, TORCH, find_file_type
from archspec.files import as_argument
from archspec.spec.inputs import is_size
from archspec.spec.load import load
from archspec.spec.spec import Spec
from archspec.spec.zoo import shown, zoo_specs
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from compiler.infer_params import infer_params
from compiler.mismatch import advise_mismatch, list_mismatches
from compiler.onnx_file.metadata import CARRIED, PREPROCESS, select
from runtime.pictures.preprocess import Preprocess
from runtime.training.run_folder import SPEC, check_one_run
from runtime.weights.safetensors_file import load_weights, open_weights, read_all
from runtime.weights.state_dict import read_state_dict


def read_weights(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the arrays of a file of weights by name, and what it says of their training, for an exported model to take
    over: its task, names, preprocessing, stride and data set, and after which epoch it was stopped, if it was. The file
    is safetensors, or a state dict that `torch.save` wrote, which says nothing of its training. Raises ArchspecError,
    and MissingExtra where torch is needed."""
    if find_file_type(path) == TORCH:
        return read_all(read_state_dict(path)[0]), {}
    arrays, facts = load_weights(path)
    return arrays, select(facts, CARRIED)


def find_trained_sizes(spec: Spec, facts: Mapping[str, str]) -> dict[str, int]:
    """Find the values that a spec's dynamic sizes had in training, by what its weights say of it, where these are
    others than the spec's own."""
    shapes = list(spec.inputs.values())
    trained = Preprocess.from_json(facts[PREPROCESS]).shape if PREPROCESS in facts else ()
    if len(shapes) != 1 or len(shapes[0]) != len(trained):
        return {}
    pairs = {(name, extent) for name, extent in zip(shapes[0], trained, strict=True) if is_size(name)}
    sizes = dict(pairs)
    clear = len(sizes) == len(pairs)  # one letter for both sides of an image that has two
    return {name: size for name, size in sorted(sizes.items()) if clear and spec.sizes.get(name) != size}


def list_sizes(spec: Spec) -> set[str]:
    """List the names of a spec's dynamic sizes: of those with a value, and of those of its inputs that want one."""
    return {*spec.sizes, *(extent for shape in spec.inputs.values() for extent in shape if is_size(extent))}


def check_fit(
    path: str | Path, weights: Mapping[str, Any], graph: Graph, spec: Spec, sizes: Mapping[str, int] | None = None
) -> None:
    """Check the weights of a file against a graph. Raises InputError where they do not fit, with the params of
    its spec that they would fit, or the spec of the run that they lie in, where either is found."""
    expected = {name: weight.shape for name, weight in graph.weights.items()}
    found = {name: tuple(array.shape) for name, array in weights.items()}
    if found == expected:
        return
    changed = infer_params(spec, expected, found, sizes or {})
    beside = _find_spec_beside(path, found)
    if changed:
        advice = "; they fit with " + " ".join(f"--set {name}={_write_value(value)}" for name, value in changed.items())
    else:
        convert = _write_conversion(path, spec, sizes or {})
        advice = f"; they fit {beside}, which lies beside them" if beside else advise_mismatch(expected, found, convert)
    raise InputError(f"{path}: the weights do not fit {graph.name}: {list_mismatches(expected, found)}{advice}")


def check_run(spec: str | Path, weights: str | Path) -> None:
    """Check that spec and weights are of one run. Raises ArchspecError where they are those of one run's folder, and
    not of one run."""
    beside = Path(weights).with_name(SPEC)
    together = os.path.isfile(beside) and os.path.exists(spec) and os.path.samefile(spec, beside)
    if together and find_file_type(weights) == SAFETENSORS:
        check_one_run(beside, lambda: elaborate(load(beside)).digest(), weights, open_weights(weights)[1])


def _write_conversion(path: str | Path, spec: Spec, sizes: Mapping[str, int]) -> str:
    """The command that gives the weights of a file the names of a spec."""
    name = Path(spec.file).stem
    source = name if name in zoo_specs() and shown(zoo_specs()[name]) == spec.file else spec.file
    own = load(source)
    params = {key: value for key, value in spec.params.items() if own.params.get(key) != value}
    pairs = [("--set", f"{name}={_write_value(value)}") for name, value in params.items()]
    pairs += [("--size", f"{name}={value}") for name, value in sizes.items()]
    chosen = "".join(f" {option} {pair}" for option, pair in pairs)
    converted = f"{Path(path).stem}.converted.safetensors"
    return (
        f"archspec weights convert {as_argument(path)} --to {as_argument(source)}{chosen} -o {as_argument(converted)}"
    )


def _find_spec_beside(path: str | Path, found: Mapping[str, tuple[int, ...]]) -> Path | None:
    """The spec of the run that a file of weights lies in, where they fit it."""
    beside = Path(path).with_name(SPEC)
    try:
        graph = elaborate(load(beside))
    except ArchspecError:
        return None
    return beside if {name: weight.shape for name, weight in graph.weights.items()} == found else None


def _write_value(value: Any) -> str:
    """The value as a word of a shell's command."""
    return shlex.quote(json.dumps(value, separators=(",", ":")))
