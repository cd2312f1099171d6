"""The plain twin has the layers of its residual network, and is trained as that was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from archspec.ops import Conv, Linear
from archspec.spec.zoo import zoo_specs
from compiler.onnx_file.metadata import SETTINGS
from compiler.passes.remove_bodies import find_bodies
from runtime.experiments.twin import drop_shortcuts, read_recipe, write_twin
from runtime.training.run import Run
from tests.support.runs import QUICK


def test_the_plain_twin_has_the_same_layers(run: Run, tmp_path: Path) -> None:
    twin = elaborate(write_twin(run.spec, tmp_path))
    assert twin.name == "resnet_digits_plain"
    assert not find_bodies(twin)
    kernels = [[node.op for node in graph if isinstance(node.op, Conv | Linear)] for graph in (run.graph, twin)]
    assert [op for op in kernels[0] if getattr(op, "kernel", 3) == 3] == kernels[1]
    depths = {"depths": [2, 2, 2, 2], "classes": 1000}
    resnet, plain = load("resnet18"), elaborate(load("plain18", depths))
    made = elaborate(write_twin(resnet, tmp_path / "18"))
    assert [(node.op, node.shape) for node in made] == [(node.op, node.shape) for node in plain], "He et al., 2015"


RESIDUAL = sorted(name for name in zoo_specs() if drop_shortcuts(data := load(name).to_data()) != data)


@pytest.mark.parametrize("name", RESIDUAL)
def test_each_residual_spec_has_a_plain_twin(name: str, tmp_path: Path) -> None:
    """Its layers are those of the bodies; where a body alone changes what follows, the twin says so as a spec does."""
    graph, twin = elaborate(load(name)), elaborate(write_twin(load(name), tmp_path))
    sums, left = (
        [node for node in found if node.body is not None and node.op.kind == "add"] for found in (graph, twin)
    )
    assert not left
    assert len(twin) < len(graph) if sums else len(twin) == len(graph), "a block may have a residual where it is asked"


def test_a_twin_keeps_names_taps_and_what_is_no_residual(tmp_path: Path) -> None:
    residual = {"name": "first", "body": [{"linear": {"out": 3, "name": "layer"}}, {"tap": "t"}], "survival": 0.5}
    data = {
        "defaults": {"residual": {"scaling": "stable"}},
        "network": [
            {"repeat": {"n": 2, "body": [{"residual": {"body": ["relu", {"linear": "i + 3"}]}}]}},
            {"residual": residual},
            {"dense": {"n": 1, "body": [{"residual": {"body": []}}]}},
        ],
    }
    plain = drop_shortcuts(data)
    assert plain["defaults"] == data["defaults"]
    assert plain["network"][0] == {
        "repeat": {"n": 2, "body": [{"when": {"test": True, "then": ["relu", {"linear": "i + 3"}]}}]}
    }
    assert plain["network"][1] == {"when": {"test": True, "then": residual["body"], "name": "first"}}
    assert plain["network"][2] == {"dense": {"n": 1, "body": [{"when": {"test": True, "then": []}}]}}


def test_a_spec_without_residuals_is_its_own_twin(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="vgg11 has no `residual`"):
        write_twin(load("vgg11"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_settings_of_a_run_are_read(run: Run) -> None:
    assert read_recipe(run) == QUICK
    for text in ("", "[]", '{"epochs": "many"}', '{"speed": 1}', "null"):
        with pytest.raises(ArchspecError, match="does not say how it was trained"):
            read_recipe(replace(run, metadata={**run.metadata, SETTINGS: text}))
    with pytest.raises(ArchspecError, match="does not say how it was trained"):
        read_recipe(replace(run, metadata={}))
