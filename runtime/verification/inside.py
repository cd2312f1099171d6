"""The values inside a model file: any of them can be read, and the weights are in memory once or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from compiler.finite import is_finite
from runtime.extras import extra
from runtime.failures import shorten
from runtime.model_file import check_model_file
from runtime.rounding import HALVES, find_halves, open_rounded, round_nodes
from runtime.settings import new_options

with extra("run"):
    import onnx
    import onnxruntime as ort
    from onnx import numpy_helper
    from onnx.external_data_helper import uses_external_data

    from compiler.onnx_source.external import find_external
    from compiler.onnx_source.order import count_reads
    from compiler.onnx_source.skim import WIDTHS

Array = npt.NDArray[Any]

INLINE = 1024
"""Bytes up to which a tensor stays in the model: shapes and scales, which ONNX Runtime reads when it loads it."""

QUANTIZED = re.compile("QuantizeLinear|^QLinear|Integer$")
"""The kinds of operations that round to integers, or compute in them."""


class ModelInside:
    """A checked model file whose values and weights can be looked at.

    `model` is the file's, but for large weights; these, views of what was read or mapped from the file's external data,
    are in `weights` by name, and sessions share them. `tensors` has every stored tensor as it stands in `model`, those
    of Constant nodes too, `nodes` every ONNX node that has a name, `values` its first result. `data` names the files of
    external data. `dtype` is the floating type that the file computes in, `quantized` whether some of it is rounded to
    integers.
    """

    def __init__(self, path: str | Path) -> None:
        check_model_file(path)
        self.path = Path(path)
        self.model = onnx.load(os.fspath(path), load_external_data=False)
        self.data = tuple(sorted({_said(tensor)["location"] for tensor in find_external(self.model)}))
        self.weights: dict[str, Array] = {}
        for tensor in self.model.graph.initializer:
            if uses_external_data(tensor) or (tensor.data_type in WIDTHS and _count_stored(tensor) > INLINE):
                self.weights[tensor.name] = _view(tensor, self.path.parent)
                _empty(tensor)
        self.tensors = {tensor.name: tensor for tensor in self.model.graph.initializer}
        self.tensors |= dict(_find_constants(self.model))
        self.nodes = {node.name: node for node in self.model.graph.node if node.name}
        self.values = {name: node.output[0] for name, node in self.nodes.items()}
        self.outputs = [item.name for item in self.model.graph.output]
        kinds = find_halves(self.model)
        self.dtype = HALVES[next(iter(kinds.values()))] if kinds else "float32"
        self.quantized = any(QUANTIZED.search(node.op_type) for node in self.model.graph.node)
        # What half precision rounds shows everywhere, and values are float32: see runtime.rounding.
        self._runnable = round_nodes(_copy(self.model), kinds) if kinds else self.model
        self._shared = {name: _share(array) for name, array in self.weights.items()}
        self._places = {name: place for place, node in enumerate(self._runnable.graph.node) for name in node.output}

    def read(self, names: Sequence[str], feed: Mapping[str, Array], *, optimized: bool = True) -> dict[str, Array]:
        """Values by name, on ONNX Runtime's CPU provider, for float32 inputs; nodes behind the last are not run.

        Raises ArchspecError where it fails.
        """
        part = _copy(self._runnable)
        graph = part.graph
        del graph.node[max(map(self._places.__getitem__, names)) + 1 :]
        used = count_reads(graph)
        stored = [tensor for tensor in graph.initializer if tensor.name in used]
        inputs = [item for item in graph.input if item.name not in self.tensors or item.name in used]
        del graph.input[:], graph.output[:], graph.initializer[:], graph.value_info[:]
        graph.input.extend(inputs)  # one that was a stored tensor's, and is read no more, would be asked for
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        graph.initializer.extend(stored)
        try:
            session = self._start(part, [name for name in self._shared if name in used], optimized)
            found = session.run(list(names), dict(feed))
        except Exception as error:  # onnxruntime's exceptions have no common base but this
            raise ArchspecError(f"{self.path}: ONNX Runtime failed: {shorten(error)}") from error
        return dict(zip(names, found, strict=True))

    def find_infinite(self) -> tuple[str, Literal["infinite", "NaN"]] | None:
        """A stored tensor that holds infinite numbers or NaN, and which; the first with NaN if there is one."""
        wrong = [name for name in self.tensors if not is_finite(self.take(name))]
        undefined = next((name for name in wrong if np.isnan(self.take(name)).any()), None)
        if undefined is not None:
            return undefined, "NaN"
        return (wrong[0], "infinite") if wrong else None

    def take(self, name: str) -> Array:
        """The numbers of a stored tensor."""
        return self.weights[name] if name in self.weights else numpy_helper.to_array(self.tensors[name])

    def _start(self, model: onnx.ModelProto, shared: Sequence[str], optimized: bool) -> Any:
        options = new_options()
        if not optimized:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_external_initializers(list(shared), [self._shared[name] for name in shared])
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@contextmanager
def open_runnable(inside: ModelInside) -> Iterator[Path]:
    """The file; of one whose type ONNX Runtime's CPU provider lacks, its twin that rounds, see runtime.rounding."""
    if inside.dtype != "bfloat16":
        yield inside.path
        return
    with open_rounded(inside.path) as rounded:
        assert rounded
        yield rounded[1]


def _find_constants(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """The tensors that Constant nodes hold in the file itself, by the names of their results."""
    for node in model.graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value" and not uses_external_data(attribute.t):
                yield node.output[0], attribute.t


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _share(array: Array) -> Any:
    """An array as ONNX Runtime takes it, which it does not copy; a type that numpy does not know, by its number."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    if array.dtype.kind == "V":
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), kind)
    return ort.OrtValue.ortvalue_from_numpy(array)


def _count_stored(tensor: onnx.TensorProto) -> int:
    """Bytes of a tensor's numbers, wherever they are."""
    return int(np.prod(tensor.dims, dtype=np.int64)) * _dtype(tensor).itemsize


def _dtype(tensor: onnx.TensorProto) -> np.dtype[Any]:
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))


def _view(tensor: onnx.TensorProto, folder: Path) -> Array:
    """A tensor's numbers, without a copy where they are stored as bytes."""
    dtype, shape = _dtype(tensor), tuple(tensor.dims)
    if uses_external_data(tensor):  # in a plain file of the folder: checked
        said = _said(tensor)
        try:
            array: Array = np.memmap(folder / said["location"], dtype, "r", int(said.get("offset", "0")), shape)
        except ValueError as error:  # it need not say how long it is
            raise ArchspecError(f"{folder / said['location']} is too short for '{tensor.name}'") from error
        return array
    if tensor.HasField("raw_data"):
        return np.frombuffer(tensor.raw_data, dtype).reshape(shape)
    stored: Array = numpy_helper.to_array(tensor)
    return stored


def _said(tensor: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _empty(tensor: onnx.TensorProto) -> None:
    """Leave name, shape and type: the numbers come from elsewhere."""
    kept = onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
    kept.data_location = onnx.TensorProto.EXTERNAL
    kept.external_data.add(key="location", value="in memory")
    tensor.CopyFrom(kept)
