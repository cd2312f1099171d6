"""The Python API: what its functions add to the parts that they call."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archspec.api import check, elaborate, load, measure_signal, open_network, to_torch, train
from archspec.errors import ArchspecError, SpecError
from archspec.spec.zoo import ZOO
from runtime.recipes.recipe import Recipe
from tests.support.models import build_double, save

WRONG = """\
archspec: 1
inputs: {x: [3, 8, 8]}
network:
  - rellu
  - conv: {out: 4, kernal: 3}
"""


def test_check_gives_the_mistakes_that_elaborate_raises(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(WRONG, encoding="utf-8")
    found = check(path)
    assert [(mistake.code, mistake.place.line) for mistake in found] == [("unknown-node", 4), ("unknown-field", 5)]
    with pytest.raises(SpecError) as raised:
        elaborate(load(path))
    assert raised.value.diagnostics == found
    path.write_text(WRONG.replace("rellu", "relu").replace("kernal", "kernel"), encoding="utf-8")
    assert check(path) == ()


def test_a_block_library_is_sound_although_it_has_no_network() -> None:
    library = ZOO / "blocks" / "resnet.yaml"
    assert check(library) == ()
    with pytest.raises(SpecError, match="block library"):
        load(library)


def test_a_bound_of_nodes_is_a_mistake_of_the_spec() -> None:
    assert check("resnet18") == ()
    assert [mistake.code for mistake in check("resnet18", max_nodes=10)] == ["too-many-nodes"]


def test_a_network_is_opened_from_either_form(tmp_path: Path) -> None:
    path = save(build_double(), tmp_path / "double.onnx")
    graph, spec = open_network(path, sizes={"H": 4, "W": 6})
    assert spec is None
    assert graph[next(iter(graph.inputs))].shape == (3, 4, 6)
    with pytest.raises(ArchspecError, match="is an ONNX file: params are those of specs"):
        open_network(path, {"width": 3})
    graph, spec = open_network("residual_mlp", {"blocks": 1})
    assert spec is not None
    assert graph.digest() == elaborate(load("residual_mlp", {"blocks": 1})).digest()
    assert graph.digest() != elaborate(load("residual_mlp")).digest()


def test_a_module_is_that_of_its_seed() -> None:
    graph = elaborate(load("residual_mlp", {"blocks": 1, "width": 8}))
    one, same, other = (to_torch(graph, seed=seed).state_dict()["linear_0.weight"] for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    first, second = (measure_signal(graph, seed=seed)["linear_0"].second_moment for seed in (0, 1))
    assert first != second


def test_an_earlier_run_is_replaced_by_force_alone(tmp_path: Path) -> None:
    spec = load("resnet_digits", {"depths": [1, 1, 1], "widths": [2, 2, 2]})
    recipe = Recipe(epochs=1, batch=500, threads=1)
    first = train(spec, "digits", recipe, folder=tmp_path / "run")
    with pytest.raises(ArchspecError, match="force"):
        train(spec, "digits", recipe, folder=tmp_path / "run")
    again = train(spec, "digits", recipe, folder=tmp_path / "run", force=True)
    assert again.test_scores == first.test_scores
