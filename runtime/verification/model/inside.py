"""The values inside a model file: any of them can be read, and the weights are in memory once or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from archspec.arrays import Array
from archspec.errors import RuntimeFailure
from archspec.extras import extra
from archspec.finite import has_nan, is_finite
from runtime.session.failures import shorten
from runtime.session.model_file import ModelFile
from runtime.session.session import Session
from runtime.session.start import AS_IS, start
from runtime.verification.model.half_rounding import HALVES, RoundedSession, find_kinds, name_raw, round_nodes

with extra("run"):
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, numpy_helper

    from compiler.onnx_file.external import is_external, read_external, read_place
    from compiler.onnx_file.nodes import count_reads, list_tensors
    from compiler.onnx_file.skim import count_bytes


MAX_INLINE = 1024
"""The largest size, in bytes, of a tensor that stays in the model: of shapes and scales, which ONNX Runtime reads when
it loads the model."""

FULL_OPERANDS = {"session.qdq_matmulnbits_accuracy_level": "1"}
"""The entry that has ONNX Runtime multiply by weights of few bits in float32. By itself it rounds the other operand to
eight bits."""

NAMES = {**HALVES, TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64"}

QUANTIZED = re.compile("Quantize|^QLinear|Integer|^QGemm$|^QAttention$")
"""The kinds of operations that round to integers, or compute in them; ONNX Runtime's own among them."""


class ModelInside:
    """A checked model file whose values and weights can be looked at.

    `model` is the file's, but for large weights; these, views of what was read or mapped from the file's external data,
    are in `weights` by name, and sessions share them. `tensors` has every stored tensor as it stands in `model`, those
    of Constant nodes too, `nodes` every ONNX node that has a name, `values` its first result. `inputs` are those that
    have to be fed. `file` is the file that was opened, and says the rest of itself. `dtype` is the type that the file
    computes in, the narrowest where there are several; `quantized` whether some of it is rounded to integers; `twin`
    what is read in the place of a file of half precision, in words, and None for others.
    """

    def __init__(self, path: str | Path) -> None:
        self.file = ModelFile.open(path).check()
        self.path = self.file.path
        self.model = onnx.load(os.fspath(path), load_external_data=False)
        self.weights: dict[str, Array] = {}
        for tensor in self.model.graph.initializer:
            if is_external(tensor) and not count_bytes(tensor):
                _bring_in(tensor, self.path.parent)
            if is_external(tensor) or (count_bytes(tensor) or 0) > MAX_INLINE:
                self.weights[tensor.name] = _view(tensor, self.path.parent)
                _empty(tensor)
        self.tensors = {tensor.name: tensor for tensor in self.model.graph.initializer}
        self.inputs = [item for item in self.model.graph.input if item.name not in self.tensors]
        for name, tensor in list_tensors(self.model):
            while name in self.tensors:  # branches may call theirs alike
                name += "'"
            self.tensors[name] = tensor
        self.nodes = {node.name: node for node in self.model.graph.node if node.name}
        self.values = {name: node.output[0] for name, node in self.nodes.items()}
        self.outputs = list(dict.fromkeys(item.name for item in self.model.graph.output))
        kinds = find_kinds(self.model)
        self.dtype = _name_type([kind for name, kind in kinds.items() if name not in self.tensors])
        self.quantized = any(QUANTIZED.search(node.op_type) for node in self.model.graph.node)
        # What half precision rounds shows everywhere, and values are float32: see half_rounding.
        halves = {name: kind for name, kind in kinds.items() if kind in HALVES}
        self._runnable = round_nodes(deepcopy(self.model), halves) if halves else self.model
        rounded = " or ".join(name for kind, name in HALVES.items() if kind in halves.values())
        self.twin = f"a twin in float32 whose results are rounded to {rounded}" if halves else None
        self._fed = {item.name: item.type.tensor_type.elem_type for item in self._runnable.graph.input}
        self._shared = {name: _share(array) for name, array in self.weights.items()}
        self._places = {name: place for place, node in enumerate(self._runnable.graph.node) for name in node.output}

    def read(
        self,
        names: Sequence[str],
        feed: Mapping[str, Array],
        *,
        optimized: bool = True,
        given: Mapping[str, Array] = MappingProxyType({}),
    ) -> dict[str, Array]:
        """Read values by name, on ONNX Runtime's CPU provider; nodes behind the last are not run. Inputs of half
        precision may be float32. Nodes of which all results are `given` are not run either.

        Raises RuntimeFailure where it fails.
        """
        part = deepcopy(self._runnable)
        graph = part.graph
        del graph.node[max((self._places.get(name, -1) for name in names), default=-1) + 1 :]
        kept = [node for node in graph.node if not given.keys() >= {name for name in node.output if name}]
        if len(kept) < len(graph.node):
            del graph.node[:]
            graph.node.extend(kept)
        used = count_reads(graph)
        stored = [tensor for tensor in graph.initializer if tensor.name in used]
        inputs = [item for item in graph.input if item.name not in self.tensors or item.name in used]
        del graph.input[:], graph.output[:], graph.initializer[:], graph.value_info[:]
        graph.input.extend(inputs)  # one that was a stored tensor's, and is read no more, would be asked for
        graph.input.extend(_declare(name, array) for name, array in given.items() if name in used)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        graph.initializer.extend(stored)
        try:
            session = self._start(part, [name for name in self._shared if name in used], optimized)
            fed = {name: _cast(array, self._fed[name]) for name, array in feed.items()}
            found = session.run(list(names), fed | {name: given[name] for name in given if name in used})
        except Exception as error:  # onnxruntime's exceptions have no common base but this
            raise RuntimeFailure(f"{self.path}: ONNX Runtime failed: {shorten(error)}") from error
        return dict(zip(names, found, strict=True))

    @property
    def is_run_rounded(self) -> bool:
        """True if ONNX Runtime's CPU provider lacks its type, so that the twin is run in its place."""
        return self.dtype == "bfloat16"

    def computes(self, name: str) -> bool:
        """True if a node of the graph gives this value."""
        return name in self._places

    def name_unrounded(self, name: str) -> str:
        """The name by which `read` knows a value of half precision before it is rounded to that; of any other its
        own."""
        raw = name_raw(name)
        return raw if raw in self._places else name

    def find_nonfinite(self) -> tuple[str, Literal["infinite", "NaN"]] | None:
        """A stored tensor that holds infinite numbers or NaN, and which; the first with NaN if there is one."""
        wrong = [name for name in self.tensors if not is_finite(self.take(name))]
        undefined = next((name for name in wrong if has_nan(self.take(name))), None)
        if undefined is not None:
            return undefined, "NaN"
        return (wrong[0], "infinite") if wrong else None

    def find(self, name: str) -> Array | None:
        """The numbers of a stored tensor; None where there is none of that name."""
        return self.take(name) if name in self.tensors else None

    def find_known(self, names: Sequence[str], feed: Mapping[str, Array]) -> dict[str, Array]:
        """Find, by name, the values that no node computes: stored tensors, and what is fed."""
        stored = {name: self.take(name) for name in names if name in self.tensors}
        return stored | {name: feed[name] for name in names if name in feed}

    def take(self, name: str) -> Array:
        """The numbers of a stored tensor."""
        return self.weights[name] if name in self.weights else numpy_helper.to_array(self.tensors[name])

    def _start(self, model: onnx.ModelProto, shared: Sequence[str], optimized: bool) -> Any:
        values = {name: self._shared[name] for name in shared}
        written, attributes = model.SerializeToString(), None if optimized else AS_IS
        return start(written, attributes=attributes, entries=FULL_OPERANDS, shared=values)


def open_runnable(inside: ModelInside, providers: Sequence[str] | None = None) -> Session:
    """Open a session on the file, or on its twin: `is_run_rounded`."""
    kind = RoundedSession if inside.is_run_rounded else Session
    return kind(inside.path, providers=providers, settings="default", as_written=True)


def _name_type(kinds: Sequence[int]) -> str:
    """The narrowest type of fractions among ONNX's numbers for types; without one, the first."""
    fractions = (*HALVES, TensorProto.FLOAT, TensorProto.DOUBLE)
    kind = next((kind for kind in fractions if kind in kinds), next(filter(None, kinds), TensorProto.FLOAT))
    return TensorProto.DataType.Name(kind).lower() if kind not in NAMES else NAMES[kind]


def _cast(array: Array, kind: int) -> Array:
    return array.astype(onnx.helper.tensor_dtype_to_np_dtype(kind), copy=False)


def _declare(name: str, array: Array) -> onnx.ValueInfoProto:
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, kind, [None] * array.ndim)


def _share(array: Array) -> Any:
    """An array as ONNX Runtime takes it, which it does not copy; a type that numpy does not know, by its number."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    if array.dtype.kind == "V":
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), kind)
    return ort.OrtValue.ortvalue_from_numpy(array)


def _dtype(tensor: onnx.TensorProto) -> np.dtype[Any]:
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))


def _view(tensor: onnx.TensorProto, folder: Path) -> Array:
    """A tensor's numbers, without a copy where they are stored as bytes."""
    dtype, shape = _dtype(tensor), tuple(tensor.dims)
    if is_external(tensor):  # in a plain file of the folder: checked
        return read_external(tensor, folder, dtype, mapped=True)
    if tensor.HasField("raw_data"):
        return np.frombuffer(tensor.raw_data, dtype).reshape(shape)
    stored: Array = numpy_helper.to_array(tensor)
    return stored


def _bring_in(tensor: onnx.TensorProto, folder: Path) -> None:
    """Have the model hold what no array can be mapped of: numbers of types that numpy lacks, or none at all."""
    place = read_place(tensor)
    with (folder / place.location).open("rb") as file:
        file.seek(place.offset)
        tensor.raw_data = b"" if count_bytes(tensor) == 0 else file.read(place.length or -1)
    tensor.ClearField("data_location")
    del tensor.external_data[:]


def _empty(tensor: onnx.TensorProto) -> None:
    """Leave name, shape and type: the numbers come from elsewhere."""
    kept = onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
    kept.data_location = onnx.TensorProto.EXTERNAL
    kept.external_data.add(key="location", value="in memory")
    tensor.CopyFrom(kept)
