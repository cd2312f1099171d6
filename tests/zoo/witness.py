"""Asks other libraries what their models compute, and stores it: `python -m tests.zoo.witness LIBRARY [NAME …]`.

It needs the library, which the tests do not: timm, segmentation_models_pytorch (`smp`), MONAI (`monai`), nnU-Net's
networks (`nnunet`: dynamic_network_architectures), `diffusers` or `ultralytics`. For each row of
`witnessed/LIBRARY.json`, or those of the given names, it makes the library's model, gives it weights that follow from
*our* names, by the rules beside the spec, and writes down the number of parameters and some values of the outputs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from archspec.api import load
from archspec.weights import find_rules
from compiler.graph import Graph
from runtime.weights.convert import Conversion, convert
from runtime.weights.in_memory import is_counter
from runtime.weights.safetensors_file import StoredTensor
from tests.support.lowering import Arrays
from tests.support.seeded_weights import seed_inputs, seed_weights
from tests.support.torchvision_models import import_torchvision_models
from tests.zoo.witnessed_rows import BATCH, WitnessedRow, pick_values, read_witnessed, write_witnessed

MODULES = {
    "timm": "timm.models",
    "smp": "segmentation_models_pytorch",
    "monai": "monai.networks.nets",
    "nnunet": "dynamic_network_architectures.architectures.unet",
    "diffusers": "tests.zoo.diffusers_models",
    "torchvision": "tests.zoo.raw_heads",
    "ultralytics": "tests.zoo.ultralytics_models",
}

DISTRIBUTIONS = {"smp": "segmentation-models-pytorch", "nnunet": "dynamic-network-architectures"}
"""The packages that are not called as their library here."""

BASE, DIGITS = 4096, 4


def choose_own(names: Iterable[str], library: str, row: WitnessedRow) -> set[str]:
    """Choose the names of a library's tensors but for those of parts that the spec leaves out."""
    every = find_rules(row.name, load(row.name, row.params).params)
    rules = [rules for rules in every if library in rules.sources]
    return {name for name in names if not any(one.leaves_out(name) for one in rules)}


def make_model(library: str, row: WitnessedRow) -> nn.Module:
    """The library's model, for evaluation."""
    import_torchvision_models()  # before the library does, beside a build of torch with which it does not load
    make = getattr(import_module(MODULES[library]), row.model)
    model: nn.Module = make(**{key: _resolve(value) for key, value in row.arguments.items()})
    return model.eval()


def _resolve(value: Any) -> Any:
    """A class or function of torch where `torch.nn.…` is written."""
    if isinstance(value, str) and value.startswith("torch."):
        return getattr(nn, value.rpartition(".")[2])
    return value


def give_weights(model: nn.Module, library: str, row: WitnessedRow, graph: Graph, arrays: Arrays) -> int:
    """Put our weights where the rules say that theirs come from, and count the tensors.

    The rules read theirs and give ours. So theirs are numbered, all numbers of all tensors, and converted: what comes
    out says where each of ours belongs. Single precision does not hold such numbers, so they go digit by digit.
    """
    own = choose_own(model.state_dict(), library, row)
    state = {name: tensor for name, tensor in model.state_dict().items() if name in own and not is_counter(name)}
    starts = dict(zip(state, np.cumsum([0, *(tensor.numel() for tensor in state.values())]), strict=False))
    digits = [_convert_digit(state, starts, digit, library, graph, row).read() for digit in range(DIGITS)]
    flat = np.full(sum(tensor.numel() for tensor in state.values()), np.nan, np.float32)
    for name, array in arrays.items():
        places = sum(read[name].astype(np.int64) * BASE**digit for digit, read in enumerate(digits))
        flat[np.asarray(places).reshape(-1)] = array.reshape(-1)
    if np.isnan(flat).any():
        lost = [name for name, tensor in state.items() if np.isnan(flat[starts[name] :][: tensor.numel()]).any()]
        raise SystemExit(f"{row.name}: nothing of ours belongs to (parts of) {lost}")
    with torch.no_grad():
        for name, tensor in state.items():
            part = flat[starts[name] :][: tensor.numel()].reshape(tuple(tensor.shape))
            tensor.copy_(torch.from_numpy(part))
    return len(state)


def _convert_digit(
    state: Mapping[str, Tensor], starts: Mapping[str, int], digit: int, library: str, graph: Graph, row: WitnessedRow
) -> Conversion:
    def number(start: int, shape: tuple[int, ...]) -> Any:
        ids = np.arange(start, start + int(np.prod(shape)), dtype=np.int64)
        return (ids // BASE**digit % BASE).astype(np.float32).reshape(shape)

    stored = {
        name: StoredTensor(tuple(tensor.shape), "float32", partial(number, int(starts[name]), tuple(tensor.shape)))
        for name, tensor in state.items()
    }
    return convert(stored, graph, find_rules(row.name, load(row.name, row.params).params), library)


def list_outputs(result: Any) -> list[Tensor]:
    """The tensors of a model's result, in order."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, Mapping):
        return [tensor for value in result.values() for tensor in list_outputs(value)]
    if isinstance(result, Sequence):
        return [tensor for value in result for tensor in list_outputs(value)]
    return list_outputs(result.sample)  # as diffusers has it


def witness(library: str, row: WitnessedRow) -> WitnessedRow:
    """The row with the figures of the library's model."""
    graph = row.build()
    model = make_model(library, row)
    tensors = give_weights(model, library, row, graph, seed_weights(graph))
    with torch.no_grad():
        results = list_outputs(model(*map(torch.from_numpy, seed_inputs(graph, BATCH).values())))
    if library == "nnunet":  # it gives the finest first, which is the last of ours
        results.reverse()
    outputs = {name: value.numpy() for name, value in zip(graph.outputs, results, strict=True)}
    parameters = dict(model.named_parameters())
    return replace(
        row,
        parameters=sum(parameters[name].numel() for name in choose_own(parameters, library, row)),
        tensors=tensors,
        outputs=pick_values(outputs),
        largest={name: float(f"{np.abs(array).max():.7g}") for name, array in outputs.items()},
    )


def main(library: str, *names: str) -> None:
    rows = read_witnessed(library)
    for i, row in enumerate(rows):
        if names and row.name not in names:
            continue
        rows[i] = witness(library, row)
        write_witnessed(library, version(DISTRIBUTIONS.get(library, library)), rows)
        print(row.name, rows[i].parameters, rows[i].largest)


if __name__ == "__main__":
    main(*sys.argv[1:])
