"""Operation by operation: what each node of a file is in the graph, with the shapes that ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime.quantization as quantization
import pytest
from onnx import TensorProto, helper

from archspec.errors import ArchspecError
from archspec.ops import AvgPool, Conv, Op, Scale, Shift, Upsample
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.analysis.paths.counting import count_paths
from compiler.analysis.report import analyze
from compiler.analysis.unknown import find_unknown
from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.onnx_source.ops.windows import Convolution, Resample
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import build_small, check_elements
from tests.support.models import build_model, save

Node = onnx.NodeProto
Arrays = Mapping[str, np.ndarray[Any, Any]]


def node(kind: str, inputs: str, outputs: str = "y", **attributes: Any) -> Node:
    """Operands and results by names with spaces between; `-` is one that is left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), **attributes)


def floats(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).random(shape).astype(np.float32)


def read(nodes: Sequence[Node], shape: Sequence[int | str], arrays: Arrays, path: Path, opset: int = 17) -> Graph:
    """The graph of a model from x to y, its sizes held against ONNX Runtime's."""
    model = build_model(nodes, {"x": shape}, {"y": None}, arrays)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    model.opset_import[0].version = opset
    graph = verify(read_graph(save(model, path / "m.onnx")))
    check_elements(graph, path / "m.onnx")
    return graph


MAP = (1, 4, 9, 12)
KERNEL = {"w": floats(6, 4, 3, 3), "b": floats(6)}
TRANSPOSED = "transposed_convolution"
ENDS = {"a": np.array([8, 1]), "b": np.array([-20, 99]), "c": np.array([2, -1]), "d": np.array([-2, 3])}
LARGE = {"z": np.array([1, 4, 18, 24])}
SINGLE: list[tuple[Node, Arrays, str]] = [
    (node("Conv", "x w b", strides=[2, 2], pads=[1] * 4), KERNEL, "conv"),
    (node("Conv", "x w", pads=[1, 0, 1, 0]), KERNEL, "convolution"),
    (node("Conv", "x w", strides=[2, 2], auto_pad="SAME_UPPER"), KERNEL, "convolution"),
    (node("Conv", "x w", auto_pad="SAME_LOWER"), KERNEL, "conv"),
    (node("Conv", "x w", auto_pad="VALID", dilations=[2, 2]), KERNEL, "conv"),
    (node("ConvTranspose", "x w", strides=[2, 2], pads=[1] * 4), {"w": floats(4, 6, 4, 4)}, "conv_transpose"),
    (node("ConvTranspose", "x w", group=2, strides=[2, 3]), {"w": floats(4, 3, 3, 2)}, TRANSPOSED),
    (node("ConvTranspose", "x w", strides=[2, 2], output_shape=[18, 24]), {"w": floats(4, 6, 3, 3)}, TRANSPOSED),
    (node("ConvTranspose", "x w", strides=[2, 2], auto_pad="SAME_UPPER"), {"w": floats(4, 6, 2, 2)}, "conv_transpose"),
    (node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), {}, "max_pool"),
    (node("MaxPool", "x", kernel_shape=[2, 3]), {}, "pool"),
    (node("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 2]), {}, "pool"),
    (node("AveragePool", "x", kernel_shape=[3, 3], pads=[1] * 4), {}, "pool"),
    (node("AveragePool", "x", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1), {}, "avg_pool"),
    (node("GlobalAveragePool", "x"), {}, "global_avg_pool"),
    (node("GlobalMaxPool", "x"), {}, "global_max_pool"),
    (node("ReduceMax", "x", axes=[2, 3]), {}, "global_max_pool"),
    (node("ReduceMean", "x", axes=[1]), {}, "reduce"),
    (node("ReduceSum", "x a", keepdims=0), {"a": np.array([-1])}, "reduce"),
    (node("ReduceL2", "x", axes=[2], keepdims=0), {}, "reduce"),
    (node("InstanceNormalization", "x s s"), {"s": floats(4)}, "instance_norm"),
    (node("BatchNormalization", "x s s s s"), {"s": floats(4)}, "batch_norm"),
    (node("LayerNormalization", "x s s", axis=-1), {"s": floats(12)}, "normalize_along"),
    (node("LRN", "x", size=3), {}, "normalize_along"),
    (node("Clip", "x l h"), {"l": np.float32(0), "h": np.float32(6)}, "relu6"),
    (node("Clip", "x l"), {"l": np.float32(0)}, "relu"),
    (node("Clip", "x l h"), {"l": np.float32(-1), "h": np.float32(1)}, "elementwise"),
    (node("PRelu", "x s"), {"s": floats(4, 1, 1)}, "prelu"),
    (node("PRelu", "x s"), {"s": floats(1, 1, 1)}, "elementwise"),
    (node("LeakyRelu", "x", alpha=0.2), {}, "leaky_relu"),
    (node("HardSigmoid", "x", alpha=1 / 6), {}, "hard_sigmoid"),
    (node("HardSigmoid", "x"), {}, "elementwise"),
    (node("Softmax", "x", axis=1), {}, "softmax"),
    (node("Softmax", "x"), {}, "softmax_along"),
    (node("Erf", "x"), {}, "elementwise"),
    (node("Max", "x x x"), {}, "elementwise"),
    (node("Add", "x s"), {"s": np.float32(2)}, "shift"),
    (node("Div", "x s"), {"s": np.float32(2)}, "scale"),
    (node("Mul", "x s"), {"s": floats(4, 1, 1)}, "scale"),
    (node("Add", "x s"), {"s": floats(1, 1, 12)}, "elementwise"),
    (node("Sum", "x x x"), {}, "add"),
    (node("Where", "c x s"), {"c": np.array(True), "s": np.float32(0)}, "elementwise"),
    (node("Concat", "x x", axis=1), {}, "concat"),
    (node("Concat", "x x", axis=-1), {}, "concat_along"),
    (node("Concat", "x s", axis=1), {"s": floats(1, 2, 9, 12)}, "concat_along"),
    (node("Slice", "x a b c d"), ENDS, "cut"),
    (node("Pad", "x p"), {"p": np.array([0, 0, 1, 0, 0, 0, 0, 2])}, "pad_edges"),
    (node("Pad", "x p"), {"p": np.array([0, 0, 0, 0, 0, 3, 0, 0])}, "pad_channels"),
    (node("Flatten", "x"), {}, "flatten"),
    (node("Reshape", "x s"), {"s": np.array([0, -1])}, "flatten"),
    (node("Reshape", "x s"), {"s": np.array([0, 2, -1, 12])}, "rearrange"),
    (node("Unsqueeze", "x a"), {"a": np.array([2])}, "rearrange"),
    (node("Transpose", "x", perm=[1, 0, 2, 3]), {}, "rearrange"),
    (node("Gather", "x i", axis=1), {"i": np.array([2, 0])}, "rearrange"),
    (node("Gather", "x i", axis=2), {"i": np.array(3)}, "rearrange"),
    (node("Expand", "x s"), {"s": np.array([3, 4, 9, 12])}, "rearrange"),
    (node("Tile", "x s"), {"s": np.array([1, 1, 2, 1])}, "rearrange"),
    (node("SpaceToDepth", "x", blocksize=3), {}, "space_to_depth"),
    (node("DepthToSpace", "x", blocksize=2), {}, "depth_to_space"),
    (node("MatMul", "x w"), {"w": floats(12, 5)}, "rows"),
    (node("MatMul", "w x"), {"w": floats(5, 9)}, "product"),
    (node("Einsum", "x w", equation="nchw,cd->ndhw"), {"w": floats(4, 5)}, "product"),
    (node("Resize", "x - s"), {"s": np.array([1, 1, 2, 2], np.float32)}, "upsample"),
    (node("Resize", "x - s", mode="linear"), {"s": np.array([1, 1, 3, 3], np.float32)}, "upsample"),
    (node("Resize", "x - - z", mode="linear"), LARGE, "upsample"),
    (node("Resize", "x - - z", mode="cubic"), LARGE, "resample"),
    (node("Resize", "x - - z", coordinate_transformation_mode="align_corners"), LARGE, "resample"),
    (node("Resize", "x - s"), {"s": np.array([1, 1, 0.5, 0.5], np.float32)}, "resample"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "arrays", "kind"), SINGLE)
def test_one_node(operation: Node, arrays: Arrays, kind: str, tmp_path: Path) -> None:
    nodes = [operation]
    if operation.op_type in ("SpaceToDepth",):  # its extents have to be multiples
        nodes = [node("MaxPool", "x", "h", kernel_shape=[1, 1], pads=[0] * 4), node("SpaceToDepth", "h", blocksize=3)]
    graph = read(nodes, MAP, arrays, tmp_path)
    assert [item.op.kind for item in graph][-1] == kind
    assert len(graph) == 1 + len(nodes)


@pytest.mark.parametrize("kind", ["Identity", "Dropout"])
def test_what_does_nothing_is_no_node(kind: str, tmp_path: Path) -> None:
    graph = read([node("Relu", "x", "h"), node(kind, "h")], MAP, {}, tmp_path)
    assert [item.op.kind for item in graph] == ["input", "relu"]


def test_older_operations_say_in_attributes_what_newer_ones_take(tmp_path: Path) -> None:
    nodes = [
        node("Pad", "x", "a", pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="reflect"),
        node("Clip", "a", "b", min=0.0, max=6.0),
        node("Slice", "b", "c", starts=[1], ends=[3], axes=[1]),
        node("Upsample", "c s", "d", mode="nearest"),
        node("Squeeze", "d", "e", axes=[0]),
        node("Unsqueeze", "e", "f", axes=[0]),
        node("Dropout", "f", "g", ratio=0.5),
        node("Softmax", "g", "y", axis=1),
    ]
    graph = read(nodes, MAP, {"s": np.array([1, 1, 2, 2], np.float32)}, tmp_path, opset=9)
    kinds = [item.op.kind for item in graph]
    assert kinds == ["input", "pad_edges", "relu6", "cut", "upsample", "softmax_along"]


def test_shape_arithmetic_is_no_part_of_the_graph(tmp_path: Path) -> None:
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s i", "n", axis=0),
        node("Cast", "n", "m", to=TensorProto.INT64),
        node("Unsqueeze", "m zero", "u"),
        node("Concat", "u minus", "t", axis=0),
        node("Reshape", "x t"),
    ]
    arrays = {"i": np.array(0), "zero": np.array([0]), "minus": np.array([-1])}
    graph = read(nodes, ("n", 4, 9, 12), arrays, tmp_path)
    assert [item.op.kind for item in graph] == ["input", "flatten"]


def test_one_minus_a_value_stays_a_gate(tmp_path: Path) -> None:
    nodes = [node("Sigmoid", "x", "t"), node("Sub", "one t", "c"), node("Mul", "x c")]
    graph = read(nodes, MAP, {"one": np.float32(1)}, tmp_path)
    assert [item.op for item in graph][2:4] == [Scale(value=-1.0), Shift(value=1.0)]
    assert (count_paths(graph).op.total, count_paths(graph).ungated.total) == (2, 1)


def test_an_input_with_the_channels_last_is_read_with_them_first(tmp_path: Path) -> None:
    """As converters from TensorFlow write it: a transposition after the input, and one before the output."""
    nodes = [
        node("Transpose", "x", "a", perm=[0, 3, 1, 2]),
        node("Conv", "a w b", "c", pads=[1] * 4),
        node("Add", "c s", "d"),
        node("Transpose", "d", "e", perm=[0, 2, 3, 1]),
        node("MatMul", "e m", "f"),
        node("ReduceMean", "f", "y", axes=[1, 2], keepdims=0),
    ]
    graph = read(nodes, (1, 9, 12, 4), KERNEL | {"s": floats(1, 6, 1, 1), "m": floats(6, 5)}, tmp_path)
    assert [(item.op.kind, item.shape) for item in graph] == [
        *(("input", (4, 9, 12)), ("conv", (6, 9, 12)), ("shift", (6, 9, 12)), ("conv", (5, 9, 12))),
        *(("global_avg_pool", (5, 1, 1)), ("flatten", (5,))),
    ]
    assert measure_receptive_field(graph).to_dict()["size"] == [3, 3]


def test_a_bias_that_is_added_behind_is_the_layers_own(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a"),
        node("Add", "a c", "b"),
        node("Flatten", "b", "f"),
        node("MatMul", "f m", "g"),
        node("Add", "g d"),
    ]
    arrays = {"w": KERNEL["w"], "c": floats(1, 6, 1, 1), "m": floats(420, 5), "d": floats(5)}
    graph = read(nodes, MAP, arrays, tmp_path)
    assert [item.op.kind for item in graph] == ["input", "conv", "flatten", "linear"]
    assert measure_cost(graph).parameters == sum(array.size for array in arrays.values())


@pytest.mark.parametrize("batch", ["n", None, 0, 1, 4])
def test_numbers_are_those_of_one_sample(batch: int | str | None, tmp_path: Path) -> None:
    model = build_model(
        [node("Conv", "x w b", "h"), node("Flatten", "h")], {"x": [batch, 4, 9, 12]}, {"y": None}, KERNEL
    )
    graph = read_graph(save(model, tmp_path / "m.onnx"))
    assert [item.shape for item in graph] == [(4, 9, 12), (6, 7, 10), (420,)]


@pytest.fixture
def open_sizes(tmp_path: Path) -> Path:
    model = build_model([node("Conv", "x w b")], {"x": ["n", 4, "height", None]}, {"y": None}, KERNEL)
    return save(model, tmp_path / "m.onnx")


def test_a_size_that_the_file_leaves_open_has_to_be_given(open_sizes: Path) -> None:
    message = r"leaves open height, x\.3: say which, as in --size height=224 --size x\.3=224"
    with pytest.raises(ArchspecError, match=message):
        read_graph(open_sizes)
    graph = read_graph(open_sizes, sizes={"height": 9, "x.3": 12})
    assert graph[graph.outputs["y"]].shape == (6, 7, 10)
    assert dict(graph.sizes) == {"height": 9, "x.3": 12}


def test_a_size_that_the_file_does_not_have_is_refused(open_sizes: Path) -> None:
    with pytest.raises(ArchspecError, match=r"has no size 'heigth'; did you mean 'height'\?"):
        read_graph(open_sizes, sizes={"heigth": 9})


def test_sizes_that_are_written_in_the_file(tmp_path: Path) -> None:
    """As an exported spec says them; what is no such text is passed over."""
    for text, known in (('{"H": {"value": 9}}', True), ("[1]", False), ('{"H": {"value": "x"}}', False), ("{", False)):
        model = build_model([node("Relu", "x")], {"x": ["n", "H"]}, {"y": None}, metadata={"archspec.sizes": text})
        path = save(model, tmp_path / "m.onnx")
        if known:
            assert dict(read_graph(path).sizes) == {"H": 9}
        else:
            with pytest.raises(ArchspecError, match="leaves open H"):
                read_graph(path)


def test_the_graph_keeps_to_the_sizes_at_which_it_was_read(open_sizes: Path) -> None:
    graph = read_graph(open_sizes, sizes={"height": 9, "x.3": 12})
    with pytest.raises(ValueError, match="read it again for 4×10×12"):
        graph.infer({"height": 10})


def test_unknown_operations_are_named_and_counted(tmp_path: Path) -> None:
    nodes = [
        node("Bar", "x", "a b", domain="com.foo"),
        node("Bar", "a", "c", domain="com.foo"),
        node("Add", "b c", "h"),
        node("Relu", "h"),
    ]
    model = build_model(nodes, {"x": [1, 3, 8, 8]}, {"y": [1, 3, 8, 8]})
    model.opset_import.append(helper.make_opsetid("com.foo", 1))
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "abc"]
    model.graph.value_info.extend(shapes)
    graph = verify(read_graph(save(model, tmp_path / "m.onnx")))
    assert find_unknown(graph) == {"com.foo:Bar": 2}
    assert measure_cost(graph).macs["conv-linear"] == 0
    assert count_paths(graph).op.total == 2
    assert measure_receptive_field(graph).to_dict().get("size") in (None, [1, 1])


TRAINING = [
    (node("BatchNormalization", "r scale shift shift scale", "y a b", training_mode=1), True),
    (node("BatchNormalization", "r scale shift shift scale"), False),
    (node("Dropout", "r half yes"), True),
    (node("Dropout", "r half no"), False),
]


@pytest.mark.parametrize(("operation", "trains"), TRAINING)
def test_what_is_in_training_mode_is_unknown(operation: Node, trains: bool, tmp_path: Path) -> None:
    arrays = {"scale": np.ones(3, np.float32), "shift": np.zeros(3, np.float32)}
    arrays |= {"half": np.array(0.5, np.float32), "yes": np.array(True), "no": np.array(False)}
    graph = read([node("Relu", "x", "r"), operation], [1, 3, 4, 4], arrays, tmp_path)
    assert bool(find_unknown(graph)) == trains


def test_shapes_behind_unknown_operations_may_be_inferred_by_onnx(tmp_path: Path) -> None:
    """Of one node, from what the reader has computed of its operands: arithmetic on shapes included."""
    nodes = [
        node("Shape", "x", "s"),
        node("Slice", "s a b", "k"),
        node("Col2Im", "f i k", "c"),
        node("Reshape", "x t", "f"),
        node("Relu", "c"),
    ]
    arrays = {"a": np.array([2]), "b": np.array([4]), "i": np.array([1, 1]), "t": np.array([1, 4, 108])}
    nodes[2].input[:] = ["f", "k", "i"]
    graph = read([nodes[0], nodes[1], nodes[3], nodes[2], nodes[4]], MAP, arrays, tmp_path, opset=18)
    assert find_unknown(graph) == {"Col2Im": 1}
    assert graph[graph.outputs["y"]].shape == (4, 9, 12)


def quantize(path: Path, form: quantization.QuantFormat) -> Graph:
    """A small network in eight bits, as ONNX Runtime's own tool writes it."""

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{"x": floats(1, 4, 9, 12) - 0.5}]

        def get_next(self) -> dict[str, Any] | None:
            return self.left.pop() if self.left else None

    nodes = [
        node("Conv", "x w b", "c", pads=[1] * 4),
        node("Relu", "c", "r"),
        node("Conv", "r v", "d", pads=[1] * 4),
        node("Add", "d r", "s"),
        node("GlobalAveragePool", "s", "p"),
        node("Flatten", "p", "f"),
        node("Gemm", "f g h", "y", transB=1),
    ]
    arrays = {**KERNEL, "v": floats(6, 6, 3, 3), "g": floats(5, 6), "h": floats(5)}
    arrays = {name: array - 0.5 for name, array in arrays.items()}  # so that there are numbers of both signs
    save(build_model(nodes, {"x": MAP}, {"y": [1, 5]}, arrays), path / "float.onnx")
    quantization.quantize_static(path / "float.onnx", path / "int8.onnx", Reader(), quant_format=form)
    return verify(read_graph(path / "int8.onnx"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", [quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator])
def test_a_quantized_network_counts_as_the_one_it_came_from(form: quantization.QuantFormat, tmp_path: Path) -> None:
    found = quantize(tmp_path, form)
    expected = read_graph(tmp_path / "float.onnx")
    for graph in (found, expected):
        cost, paths = measure_cost(graph), count_paths(graph)
        assert (cost.parameters, cost.macs["conv-linear"]) == (6 * 36 + 6 + 6 * 54 + 35, 108 * (6 * 36 + 6 * 54) + 30)
        assert paths.block.by_length == {0: 1, 1: 1}
        assert find_unknown(graph) == {}
    assert [item.op.kind for item in found] == [item.op.kind for item in expected]  # the ReLU that was left out as well
    assert cost.activations == measure_cost(found).activations
    assert {weight.type for weight in found.weights.values()} == {"int8", "int32"}
    assert "uint8" in analyze(found).types["values"] or "int8" in analyze(found).types["values"]


def chain(steps: str) -> list[Node]:
    """`Conv x w -> a; Relu a -> y`: nodes that keep extents, but for a pooling by two."""
    fixed = {"Conv": {"pads": [1] * 4}, "Concat": {"axis": 1}, "MaxPool": {"kernel_shape": [2, 2], "strides": [2, 2]}}
    nodes = []
    for step in steps.split("; "):
        written, _, result = step.partition(" -> ")
        kind, _, operands = written.partition(" ")
        nodes.append(node(kind, operands, result, **fixed.get(kind, {})))
    return nodes


SQUARE = {"w": floats(4, 4, 3, 3), "p": floats(4, 4, 3, 3)}


@pytest.mark.parametrize(
    ("steps", "marked"),
    [
        ("Conv x w -> a; Relu a -> b; Add b x -> y", True),  # the body comes last
        ("Conv x w -> a; Relu a -> b; Conv b w -> c; Conv x p -> s; Add c s -> y", True),
        ("Conv x w -> a; Relu a -> b; Conv b w -> c; Relu x -> r; Conv r p -> s; Add c s -> y", True),
        ("Conv x w -> a; Relu a -> b; Conv x p -> c; Relu c -> d; Add b d -> y", False),
        ("Relu x -> a; Add a a -> y", False),
        ("MaxPool x -> a; Resize a - two -> b; Add x b -> y", False),  # an encoder and decoder
        ("Conv x w -> a; Relu a -> b; Concat x b -> y", True),
        ("Conv x w -> a; Relu a -> b; Concat b x -> y", False),  # its channels stand the other way
        ("Conv x w -> a; Conv x p -> b; Concat a b -> y", False),
    ],
)
def test_blocks_by_their_structure(steps: str, marked: bool, tmp_path: Path) -> None:
    graph = read(chain(steps), (1, 4, 8, 8), SQUARE | {"two": np.array([1, 1, 2, 2], np.float32)}, tmp_path)
    bodies = [item for item in graph if item.body]
    assert len(bodies) == marked
    if marked:
        assert count_paths(graph).block.by_length == {0: 1, 1: 1}
        layers = [sum(isinstance(graph[id].op, Conv) for id in ancestors(graph, end)) for end in bodies[0].inputs]
        assert layers == sorted(layers)


def ancestors(graph: Graph, id: str) -> set[str]:
    return {id, *(other for operand in graph[id].inputs for other in ancestors(graph, operand))}


def test_a_dense_block_that_joins_everything_anew(tmp_path: Path) -> None:
    """Five layers, each of all results before it: 2^5 paths, C(5, k) through k of them."""
    nodes: list[Node] = []
    names = ["x"]
    for layer in range(5):
        joined = names[0]
        if layer:
            joined = f"c{layer}"
            nodes.append(node("Concat", " ".join(names), joined, axis=1))
        nodes += [node("Conv", f"{joined} w{layer}", f"a{layer}"), node("Relu", f"a{layer}", f"f{layer}")]
        names.append(f"f{layer}")
    nodes.append(node("Concat", " ".join(names), "y", axis=1))
    arrays = {f"w{layer}": floats(2, 4 + 2 * layer, 1, 1) for layer in range(5)}
    paths = count_paths(read(nodes, MAP, arrays, tmp_path))
    assert paths.block.by_length == {0: 1, 1: 5, 2: 10, 3: 10, 4: 5, 5: 1}
    assert set(paths.through.values()) == {16}


def build_window(kernel: int, stride: int, begin: int, dilation: int) -> Convolution:
    fields = {"kernel": (kernel,), "strides": (stride,), "begins": (begin,), "dilations": (dilation,)}
    return Convolution(gives=(1, 9), weight=(1, 1, kernel), out=1, bias=False, **fields)


@pytest.mark.parametrize(
    ("ours", "foreign"),
    [
        (Conv(out=1, kernel=5, stride=2, padding=1, dilation=2), build_window(5, 2, 1, 2)),
        (AvgPool(kernel=3, stride=2, padding=1), build_window(3, 2, 1, 1)),
    ],
)
def test_foreign_windows_read_as_the_languages_do(ours: Op, foreign: Op) -> None:
    for span in ((0, 0), (3, 7)):
        assert [[*(read or ())] for read in ours.input_span(0, span)] == [
            [*(read or ())] for read in foreign.input_span(0, span)
        ]
    assert ours.stride_fraction(0) == foreign.stride_fraction(0)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resampling_reads_as_upsampling_does(scale: int, mode: str, tmp_path: Path) -> None:
    """What a resize to sizes reads, by its own formula, is what the language's word reads."""
    nodes = [
        node("Resize", "x - - z", "y", mode=mode, nearest_mode="floor" if mode == "linear" else "round_prefer_floor")
    ]
    graph = read(nodes, (1, 1, 4, 5), {"z": np.array([1, 1, 4 * scale, 5 * scale])}, tmp_path)
    op = graph[graph.outputs["y"]].op
    assert isinstance(op, Upsample)

    step = Fraction(1, scale)
    places = {"steps": (step,) * 2, "offsets": ((step - 1) / 2,) * 2, "rounding": "round_prefer_floor"}
    twin = Resample(gives=(1, 4, 5), function=mode, taps=int(mode == "linear"), **places)
    for position in range(3 * scale):
        assert twin.input_span(0, (position, position)) == op.input_span(0, (position, position))


def test_what_a_node_is_called_and_where_it_stands(tmp_path: Path) -> None:
    graph = read_graph(save(build_small(), tmp_path / "m.onnx"))
    conv, norm = graph["conv.Conv"], graph["norm.BatchNormalization"]
    assert (conv.source.place.file, conv.source.place.line) == (str(tmp_path / "m.onnx"), 1)
    assert norm.source.place.line == 2
    assert {*graph.weights_of(norm)} == {"norm.BatchNormalization.running_var"}  # the others are the convolution's bias
    assert graph.name == "m"
    assert isinstance(conv.op, Conv)
