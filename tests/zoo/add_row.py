"""Adds a network's row to the zoo's table, with the figures of a library's own model:

    python -m tests.zoo.add_row FILE LIBRARY NAME [MODEL] [--set classes=10]… [--small H=64 --small W=64] [--size H=…]

FILE is that of `facts/` without its suffix, LIBRARY torchvision or one of `tests.zoo.witness`, whose row of that name
it takes where there is one. Parameters, buffers and multiply-accumulates are counted in the library's model; the sizes
that fit, and the shapes of outputs for each `--set`, are ours, to be read before they are believed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archspec.api import accepted_sizes, elaborate, load
from archspec.errors import ArchspecError
from archspec.spec.params import parse_value
from compiler.graph import Graph
from tests.support.lowering import empty_inputs
from tests.support.torchvision_models import find_torchvision_model
from tests.zoo import raw_heads
from tests.zoo.rows import FACTS
from tests.zoo.witness import DISTRIBUTIONS, choose_own, make_model
from tests.zoo.witnessed_rows import LIBRARIES, WitnessedRow, read_witnessed

WITH_WEIGHTS = ("convolution", "addmm", "mm")
"""The products with stored weights, in aten's words; those of attention are `bmm` and others."""


def count_macs(model: nn.Module, graph: Graph) -> int:
    """Count the multiply-accumulates of convolutions and linear layers for one sample, as torch's own counter does."""
    torch.backends.mha.set_fastpath_enabled(False)  # its one piece is counted as nothing
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.to("meta")(*empty_inputs(graph, 1))
    counts: Mapping[Any, int] = counter.get_flop_counts()["Global"]
    return sum(flops for op, flops in counts.items() if str(op).removeprefix("aten.") in WITH_WEIGHTS) // 2


def make_row(library: str, witnessed: WitnessedRow, sets: Sequence[str], small: Mapping[str, int]) -> dict[str, Any]:
    """Make the row of a network, at its usual sizes."""
    graph = elaborate(load(witnessed.name, witnessed.params), witnessed.sizes)
    if library == "torchvision" and not hasattr(raw_heads, witnessed.model):
        model: nn.Module = find_torchvision_model(witnessed.model)(weights=None, **witnessed.arguments)
    else:
        model = make_model(library, witnessed)
    state = {name: tensor for name, tensor in model.state_dict().items() if tensor.dim()}
    parameters = dict(model.named_parameters())
    own = choose_own(parameters, library, witnessed)
    buffers = [state[name].numel() for name in choose_own(state, library, witnessed) if "running_" in name]
    rules = {axis: str(rule) for axis, rule in accepted_sizes(graph).items()}
    alike = len({*rules.values()}) == 1
    return {
        "name": witnessed.name,
        "sizes": dict(graph.sizes),
        "parameters": sum(parameters[name].numel() for name in own),
        "buffers": sum(buffers),
        "macs": count_macs(model.eval(), graph),
        "figures": f"{library} {version(DISTRIBUTIONS.get(library, library))}'s model {witnessed.model}",
        "accepted": next(iter(rules.values())) if alike else rules or None,
        "small": dict(small),
        "settings": [_try_setting(witnessed.name, text) for text in sets],
    }


def _try_setting(name: str, text: str) -> list[Any]:
    param, _, value = text.partition("=")
    graph = elaborate(load(name, {param: parse_value(value, f"--set {param}")}))
    return [param, value, {output: list(graph[id].shape) for output, id in graph.outputs.items()}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("file", "library", "name"):
        parser.add_argument(name)
    parser.add_argument("model", nargs="?")
    for name in ("--set", "--small", "--size"):
        parser.add_argument(name, action="append", default=[])
    given = parser.parse_args()
    known = {row.name: row for row in read_witnessed(given.library)} if given.library in LIBRARIES else {}
    found = known.get(given.name, WitnessedRow(given.name, given.model or given.name))
    sizes = {key: int(value) for key, _, value in (text.partition("=") for text in given.size)}
    small = {key: int(value) for key, _, value in (text.partition("=") for text in given.small)}
    row = make_row(given.library, WitnessedRow(found.name, found.model, found.arguments, sizes), given.set, small)
    file = FACTS / f"{given.file}.json"
    rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    rows = [other for other in rows if other["name"] != given.name] + [row]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    file.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    try:
        main()
    except ArchspecError as error:
        raise SystemExit(f"{error}") from None
