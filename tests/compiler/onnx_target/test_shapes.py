"""Names of extents in a model: equal where the extents always are, so that ONNX Runtime knows what it may fuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from archspec import elaborate, load
from archspec.errors import Place
from archspec.ops import Conv, Input, MaxPool, Shape
from compiler.graph import Graph, Node, NodeSource
from compiler.onnx_target.model import build_model
from compiler.onnx_target.shapes import name_shapes
from compiler.onnx_target.write import to_bytes
from compiler.passes.weight_arrays import WeightArrays
from compiler.sizes.accepted_sizes import accepted_sizes
from tests.support.documents import graph_from

SPECS = ("resnet20", "hourglass1", "unet", "unet_any", "densenet_40_12")


@pytest.mark.parametrize("name", SPECS)
def test_a_name_is_one_extent_at_every_accepted_size(name: str) -> None:
    graph = elaborate(load(name))
    accepted = accepted_sizes(graph)
    shapes = name_shapes(graph, accepted)
    random = np.random.default_rng(0)
    seen: dict[object, int] = {}
    for _ in range(20):
        turns = {letter: int(random.integers(0, 40)) for letter in accepted}
        sizes = {letter: rule.first + turns[letter] * rule.step for letter, rule in accepted.items()}
        bound: dict[object, int] = {name: size for name, size in sizes.items()}  # noqa: C416
        for id, shape in graph.infer(sizes).items():
            for said, extent in zip(shapes[id][1:], shape, strict=True):
                assert bound.setdefault(said, extent) == extent if isinstance(said, str) else said == extent
        seen.update(bound)
    assert set(accepted) <= set(seen)


def test_extents_that_are_not_always_equal_have_other_names() -> None:
    """224 → 112 by both layers, but 225 → 113 and 112."""
    op, source = Conv(out=1, kernel=3, stride=2, padding=1), NodeSource(Place("test.yaml"))
    image = Node("image", Input(dims=(1, "H", 8)), (), Shape(1, 224, 8), source)
    nodes = {"image": image}
    for name, layer in {"up": op, "down": MaxPool(kernel=2, stride=2), "same": op}.items():
        nodes[name] = Node(name, layer, ("image",), layer.infer(image.shape), source)
    graph = Graph("two", nodes, {name: name for name in ("up", "down", "same")}, {"H": 224})
    assert graph["up"].shape == graph["down"].shape
    shapes = name_shapes(graph, accepted_sizes(graph))
    assert shapes["up"] == shapes["same"] == ["batch", 1, "up.1", 4]
    assert shapes["down"] == ["batch", 1, "down.1", 4]


def test_what_grows_apart_is_neither_size() -> None:
    """36 of 24 and 36 positions; but with 48 of the one it is 48."""
    merge = {"add": {"branches": [["upsample"], [{"from": "b"}, "upsample"]], "fit": "pad"}}
    body = [merge, {"residual": {"body": [{"conv": 2}]}}]
    document = {"archspec": 1, "inputs": {"a": [2, "H"], "b": [2, "W"]}, "sizes": {"H": 12, "W": 18}, "network": body}
    graph = graph_from(document)
    shapes = name_shapes(graph, accepted_sizes(graph))
    wide, narrow, *names = (shapes[id][2] for id in graph.nodes if id not in graph.inputs)
    assert len({wide, narrow, *names}) == 3
    session = onnxruntime.InferenceSession(to_bytes(build_model(graph, make_weights(graph))))
    for height, width in [(12, 18), (24, 18), (12, 8)]:
        feed = {"a": np.ones((1, 2, height), np.float32), "b": np.ones((1, 2, width), np.float32)}
        (found,) = session.run(None, feed)
        assert found.shape == (1, 2, 2 * max(height, width))


def test_a_step_that_only_what_is_left_out_asked_for() -> None:
    """The convolution leads nowhere, but its stride allows every other size; and nothing else can be cropped to 8."""
    crop = {"add": {"branches": [[], [{"from": "b"}]], "fit": "crop"}}
    body = [{"tap": "image"}, {"conv": {"out": 2, "stride": 2}}, {"from": "image"}, crop]
    graph = graph_from({"archspec": 1, "inputs": {"a": [2, "L"], "b": [2, 8]}, "sizes": {"L": 12}, "network": body})
    assert accepted_sizes(graph)["L"].step == 2
    assert "Add" in {node.op_type for node in build_model(graph, make_weights(graph)).head.graph.node}


def make_weights(graph: Graph) -> WeightArrays:
    return {name: np.full(weight.shape, 0.01, np.float32) for name, weight in graph.weights.items()}


def test_residual_additions_are_fused_behind_a_grouped_convolution(tmp_path: Path) -> None:
    """The blocked layout ends at a convolution with four channels in a group; with dynamic sizes only the names tell
    ONNX Runtime that what is added has one shape. Without them the additions stay: the control."""
    graph = elaborate(load("resnext50_32x4d", {"classes": 10}), {"H": 64, "W": 64})
    model = onnx.load_from_string(to_bytes(build_model(graph, make_weights(graph))))
    assert count(model, "Add", tmp_path) == 0
    del model.graph.value_info[:]
    assert count(model, "Add", tmp_path) > 0


def count(model: onnx.ModelProto, kind: str, folder: Path) -> int:
    """Nodes of that kind in what ONNX Runtime makes of a model."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return sum(node.op_type == kind for node in onnx.load(folder / "optimized.onnx").graph.node)
