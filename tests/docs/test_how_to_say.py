"""The page of foreign names: every snippet compiles, and those beside torch's compute what torch does."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compiler.torch_target.module import to_torch
from docs.how_to_say import LISTS, list_rows, say
from docs.how_to_say_torch import TORCH, TorchRow
from tests.archspec.spec.texts import graph_of

SHAPES = {"map": (32, 8, 8), "row": (32, 16), "vector": (32,)}
LIBRARIES = "blocks/squeeze_excite, blocks/resnet, blocks/inverted_residual"
HEAD = "archspec: 1\nimport: [{libraries}]\ninputs: {{x: {shape}, y: {shape}, a: {shape}}}\n"
ROWS = [row for rows in TORCH.values() for row in rows]
SAID = [row for row in ROWS if row.ours]
FITTING = {"linear": "vector", "gru": "row", "lstm": "row", "embedding": "ids"}
"""Words that take no map."""
NORMS_BEHIND = re.compile(r"norm[12]\.")
"""Weights that torch lists behind those of linear layers, and that a spec has where they are used."""


def write_spec(written: str, x: str = "map") -> str:
    nodes = written if written.startswith("[") else f"[{written}]"
    shape = "{shape: [1, 9], type: int}" if x == "ids" else list(SHAPES[x])
    return f"{HEAD.format(libraries=LIBRARIES, shape=shape)}network:\n  - repeat: {{n: 1, body: {nodes}}}\n"


def values_of(row: TorchRow) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(2, *SHAPES[row.x], generator=generator) for name in "xy"}


def compute_theirs(row: TorchRow, values: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """What torch computes, and the weights of the module that does."""
    modules: list[nn.Module] = []

    class Recording:
        """torch.nn, which remembers the modules that it makes."""

        def __getattr__(self, name: str) -> Any:
            made = getattr(nn, name)

            def make(*args: Any, **how: Any) -> Any:
                module = made(*args, **how).eval()
                modules.append(module)
                with torch.no_grad():
                    for weight in module.parameters():
                        weight.copy_(0.2 * torch.randn(weight.shape))
                return module

            return make if isinstance(made, type) and issubclass(made, nn.Module) else made

    torch.manual_seed(1)
    names: dict[str, Any] = {"torch": torch, "F": F, "nn": Recording(), **values}
    with torch.no_grad():
        found = eval(row.witness or row.theirs, names)
        found = found(values["x"]) if isinstance(found, nn.Module) else found
        return found, dict(modules[-1].state_dict()) if modules else {}


def give_weights(own: dict[str, Tensor], theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cut the other's weights into ours: tensors of one sort follow each other in the same order."""
    given: dict[str, Tensor] = {}
    apart = any(NORMS_BEHIND.search(name) for name in theirs)
    for sort in {_sort(name, apart) for name in own}:
        numbers = torch.cat([value.flatten() for name, value in theirs.items() if _sort(name, apart) == sort])
        names = [name for name in own if _sort(name, apart) == sort]
        parts = numbers.split([own[name].numel() for name in names])
        given |= {name: part.reshape(own[name].shape) for name, part in zip(names, parts, strict=True)}
    return given


def _sort(name: str, apart: bool) -> str:
    """The sort of a weight: its short name; where they stand `apart`, another one for those of normalizations."""
    norm = "norm." if apart and re.search(r"norm[12]\.|layer_norm", name) else ""
    kind = re.sub(r".*[._](weight|bias)$", r"\1", name).rpartition(".")[2]
    return norm + {"original0": "length", "original1": "weight"}.get(kind, kind)


def compare(row: TorchRow) -> tuple[Tensor, Tensor]:
    values = values_of(row)
    expected, weights = compute_theirs(row, values)
    module = to_torch(graph_of(write_spec(row.ours, row.x)), seed=0).eval()
    own = dict(module.state_dict())
    if weights and own:
        module.load_state_dict(give_weights(own, weights))
    with torch.no_grad():
        return module(values["x"], values["y"], values["y"]), expected


@pytest.mark.parametrize("row", SAID, ids=lambda row: f"{row.theirs} {row.x}")
def test_a_snippet_computes_what_torch_does(row: TorchRow) -> None:
    found, expected = compare(row)
    assert found.shape == expected.shape
    difference = (found - expected).abs().max()
    assert difference < 2e-5
    assert (found - (expected + 1e-3)).abs().max() > difference  # the comparison can fail


def test_a_snippet_of_another_layer_is_noticed() -> None:
    row = next(row for row in SAID if row.theirs == "nn.MaxPool2d(2)")
    found, expected = compare(row._replace(ours="avg_pool: 2"))
    assert (found - expected).abs().max() > 0.1


@pytest.mark.parametrize("title", LISTS)
def test_what_is_said_of_a_name_compiles(title: str) -> None:
    rows = list_rows(LISTS[title][0])
    assert len(rows) >= 15
    for row in rows:
        if row.written:
            graph_of(write_spec(row.written, FITTING.get(row.written.partition(":")[0], "map")))


def test_torchs_table_says_enough() -> None:
    assert len(SAID) >= 60
    assert all(row.note for row in ROWS if not row.ours)


def test_a_name_that_no_message_knows_is_no_row() -> None:
    with pytest.raises(LookupError, match="no message knows the word Frobnicate"):
        say("Frobnicate")
