"""An ONNX file → the graph that every analysis takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import NoReturn

import onnx

from archspec.errors import ArchspecError, Place
from archspec.ops import Op, Shape, Weight
from archspec.wording import cut
from compiler.graph import Graph, Node, Source
from compiler.onnx_file.metadata import NAME, OPTIMIZED
from compiler.onnx_file.nodes import count_reads, find_captured
from compiler.onnx_file.skim import list_metadata, skim_model
from compiler.onnx_source.call import Call, Constant, Operand, Unsaid, Value
from compiler.onnx_source.constants import find_sources, fold, keeps_weights_in_nodes, read_sparse, read_tensor
from compiler.onnx_source.file.functions import inline_functions
from compiler.onnx_source.file.inputs import read_inputs
from compiler.onnx_source.file.names import Names, name_kind, name_node
from compiler.onnx_source.file.order import sort_nodes
from compiler.onnx_source.file.samples import MixedSamplesError, Samples
from compiler.onnx_source.file.schemas import shorten_domains
from compiler.onnx_source.file.shapes import LostShapeError, ShapeTable
from compiler.onnx_source.ops.ops import Extents, Input, Rearrange, Unknown
from compiler.onnx_source.rules import RULES
from compiler.onnx_source.simplify.blocks import mark_blocks
from compiler.onnx_source.simplify.recognize import recognize

MAX_NODES = 100_000
LONGEST_MESSAGE = 1000
LAYOUT_DOMAIN = "com.microsoft.nchwc"
"""Operations of ONNX Runtime on channels in blocks as long as a processor's registers."""
HINT = "numbers may decide it; else a tool such as onnxslim or onnx.shape_inference can write it into the file"
"""What an exported spec is called."""


def read_graph(path: str | Path, *, sizes: Mapping[str, int] | None = None) -> Graph:
    """The network in an ONNX file of vision operations, for one sample. The numbers of its weights are not read.

    It has the operations of the language wherever these say exactly what the file does, and is simplified where that
    changes no number; residual and dense blocks are found by their structure (`mark_blocks`). The first axis of an
    input is the batch where the file leaves it open, or fixes it and keeps its positions apart: the graph's `notes` say
    which. `sizes` give other open extents by their names, where the file does not say for which it was written. Raises
    ArchspecError where the file is no sound model, or a size is missing.
    """
    path = Path(path)
    try:
        model = skim_model(path)
        shorten_domains(model)
        if OPTIMIZED in list_metadata(model):
            raise ArchspecError(f"{path} was optimized for one processor: give the file that it was made from")
        if any(item.domain == LAYOUT_DOMAIN for item in model.graph.node):
            raise ArchspecError(
                f"{path} was optimized by ONNX Runtime for one processor, in whose blocks its channels lie: give the"
                " file that it was made from, or optimize that one to the level 'extended' at most"
            )
        model = inline_functions(path, model, MAX_NODES)
        if len(model.graph.node) > MAX_NODES:
            raise ArchspecError(f"{path} has {len(model.graph.node):,} nodes; at most {MAX_NODES:,} are read")
        return mark_blocks(recognize(_read(path, model, sizes or {})))
    except ArchspecError as error:  # names from the file stand in it
        raise ArchspecError(cut(str(error), LONGEST_MESSAGE)) from error


def _read(path: Path, model: onnx.ModelProto, sizes: Mapping[str, int]) -> Graph:
    """The graph for one sample of a fixed batch, where the file keeps its samples apart; else for all together."""
    reader = Reader(path, model, sizes)
    names = " and ".join(name for name, shape in reader.inputs.shapes.items() if shape[:1] == (reader.batch,))
    try:
        notes = [f"the first axis of {names} is taken for a batch of {reader.batch}; numbers are for one sample"]
        graph = reader.read()
    except MixedSamplesError:
        notes = [f"the {reader.batch} positions of the first axis of {names} are mixed; numbers are for all of them"]
        graph = Reader(path, model, sizes, whole=True).read()
    return replace(graph, notes=(*notes, *graph.notes)) if reader.batch > 1 else graph


class Reader:
    """Reads the nodes of one model, one after the other. `nodes` is the graph so far."""

    def __init__(self, path: Path, model: onnx.ModelProto, sizes: Mapping[str, int], *, whole: bool = False) -> None:
        self.path, self.model = path, model
        self.opset = next((item.version for item in model.opset_import if not item.domain), 1)
        self.nodes: dict[str, Node] = {}
        self._names = Names()
        self._operands: dict[str, Operand] = {"": None}
        self._straight: dict[Value, Value] = {}
        self._holders: set[str] = set()
        self.read_counts = count_reads(model.graph)
        self.negative: dict[str, bool] = {}
        """Which nodes may give numbers below zero, of those that were asked for."""
        self._lost: set[str] = set()
        self._unread: Counter[str] = Counter()
        self._notes: list[str] = []
        self.inputs = read_inputs(path, model, sizes, whole=whole)
        self.batch = self.inputs.batch
        self._shapes = ShapeTable(model, self.inputs)
        self.weights_in_nodes = keeps_weights_in_nodes(model.graph)

    def read(self) -> Graph:
        order = sort_nodes(self.path, self.model.graph)
        self._read_stored()
        self._read_inputs()
        for number, node in order:
            self._line = number + 1
            self._read_node(node)
        name = list_metadata(self.model).get(NAME, self.path.stem)
        sizes = {dim: self.inputs.sizes[dim] for node in self.nodes.values() for dim in _letters(node.op)}
        outputs = self._find_outputs()
        return Graph(
            Names().claim(name), self.nodes, outputs, sizes, dict(sorted(self._unread.items())), (*self._notes,)
        )

    def fail(self, message: str, node: onnx.NodeProto) -> NoReturn:
        raise ArchspecError(f"{self.path}: node {cut(name_node(node), 160)} ({cut(node.op_type, 80)}): {message}")

    def add(self, call: Call, op: Op, xs: Sequence[Value], shape: Shape, stored: Mapping[str, Constant]) -> str:
        """Enter a node for the one at work; its id. `stored` are its weights by their short names."""
        name = name_node(call.node)
        name = f"{name}.{op.kind}" if call.entered else name
        takes = op.weights(*(self.nodes[x.id].shape for x in xs))
        id = self._enter(name, op, xs, shape, self._hold(stored, takes), call.types[0])
        call.entered.append(id)
        return id

    def _enter(
        self, name: str, op: Op, xs: Sequence[Value], shape: Shape, stored: Mapping[str, Weight], type: str
    ) -> str:
        id, source = self._names.claim(name), Source(Place(str(self.path), self._line))
        self.nodes[id] = Node(id, op, tuple(x.id for x in xs), shape, source, stored=stored, type=type)
        return id

    def _hold(self, taken: Mapping[str, Constant], takes: Mapping[str, Weight]) -> dict[str, Weight]:
        """The stored tensors that these constants were computed from, without those that an earlier node holds.

        One of a single number counts where an operation takes it as it is, else it cannot be told from a constant.
        """
        held = {}
        for name, item in taken.items():
            for number, source in enumerate(item.sources):
                if source.name in self._holders or (prod(source.shape) == 1 and source.name != item.name):
                    continue
                self._holders.add(source.name)
                weight = takes.get(name, Weight((), 0.0))
                learned = source.learned and not weight.buffer
                weight = replace(weight, shape=source.shape, type=source.type, trainable=learned, buffer=not learned)
                held[f"{name}_{number}" if number else name] = weight
        return held

    def keep_as(self, value: Value, name: str, type: str) -> None:
        """Note that a value lies in the file as numbers of this type, where nothing else reads it by this name."""
        if self.read_counts[name] == 1 and isinstance(self._operands[name], Value):
            self.nodes[value.id] = replace(self.nodes[value.id], type=type)

    def straighten(self, value: Value) -> Value:
        """The transposition of a value to the axes of the file, one for all readers."""
        if value not in self._straight:
            straight = replace(value, order=tuple(range(len(value.shape))))
            gives = self.per_sample(straight)
            ordered = replace(straight, shape=value.ordered)
            op = Rearrange(gives=gives, function="transpose", perm=self.turn(ordered, straight, value.order))
            id = self._enter(f"{value.id}.transpose", op, [value], Shape(*gives), {}, value.type)
            self.nodes[id] = replace(self.nodes[id], source=self.nodes[value.id].source)
            self._straight[value] = replace(straight, id=id)
        return self._straight[value]

    def per_sample(self, value: Value) -> Extents:
        """The shape in the graph: of one sample, channels first."""
        shape, dropped = list(value.ordered or (1,)), self.find_dropped(value)
        if value.samples:
            shape[value.order[value.samples.axis]] //= self.batch
        return tuple(extent for axis, extent in enumerate(shape) if axis != dropped)

    def find_dropped(self, value: Value) -> int | None:
        """The axis that a value loses in the graph: that of the samples, the first where there is one, if it holds
        nothing else. Counted in the graph's order."""
        place = value.order[value.samples.axis] if value.samples else 0
        alone = len(value.shape) > 1 and value.ordered[place] == (self.batch if value.samples else 1)
        return place if alone else None

    def turn(self, x: Value, turned: Value, perm: Extents) -> Extents:
        """The order of the graph's axes in the transposition of one straight value to another; none where an axis is
        dropped from one of them alone."""
        before, after = self.find_dropped(x), self.find_dropped(turned)
        if before is None and after is None:
            return perm
        if before is None or after is None or perm[after] != before:
            return ()
        return tuple(axis - (axis > before) for axis in perm if axis != before)

    def _read_stored(self) -> None:
        call = Call(self, onnx.NodeProto(name=self.model.graph.name, op_type="graph"), [])
        for tensor in self.model.graph.initializer:
            self._operands[tensor.name] = read_tensor(call, tensor)
        for sparse in self.model.graph.sparse_initializer:
            self._operands[sparse.values.name] = read_sparse(sparse)

    def _read_inputs(self) -> None:
        turned = _find_turned(self.model.graph)
        for name, shape in self.inputs.shapes.items():
            order = tuple(range(len(shape)))
            if name in turned and len(shape) in (4, 5):  # read as channels first, and by nothing else
                order = (0, *range(2, len(shape)), 1)
            samples = Samples(0) if self.batch > 1 and shape[:1] == (self.batch,) else None
            value = Value(self._names.claim(name), shape, order, self.inputs.types[name], samples)
            at = self.per_sample(value)
            dims = tuple(dim for _, dim in sorted(zip(order, self.inputs.dims[name], strict=True), key=lambda x: x[0]))
            kept: tuple[int | str, ...] = dims[1:] if len(at) == len(dims) - 1 else at
            source = Source(Place(str(self.path), 1))
            self.nodes[value.id] = Node(value.id, Input(dims=kept, at=at), (), Shape(*at), source, type=value.type)
            self._operands[name] = value

    def _read_node(self, node: onnx.NodeProto) -> None:
        reads = [*node.input, *find_captured(node)]
        if not self._lost.isdisjoint(reads):
            self._leave(node)
            return
        call = Call(self, node, [self._operands[name] for name in node.input])
        captured = [self._operands.get(name) for name in reads[len(node.input) :]]
        values = [item for item in (*call.operands, *captured) if isinstance(item, Value)]
        try:
            self._keep(call, self._compute(call, values), values)
        except LostShapeError as error:
            self._notes += [] if self._unread else [str(error)]
            self._leave(node)

    def _compute(self, call: Call, values: Sequence[Value]) -> Sequence[Operand]:
        """The results that the rules say; none where no rule knows the operation."""
        if not values:
            return fold(call) or self._leave_unread(call)
        if call.key not in RULES:
            return []
        try:
            found = RULES[call.key](call)
        except Unsaid:
            return []
        return found if isinstance(found, list) else [found]

    def _leave(self, node: onnx.NodeProto) -> None:
        """Go on without a node, and without all that reads its results."""
        self._unread[name_kind(node)[:120]] += 1
        self._lost.update(filter(None, node.output))

    def _keep(self, call: Call, results: Sequence[Operand], values: Sequence[Value]) -> None:
        """Enter the results by their names; what no rule gives is unknown."""
        for position, name in enumerate(call.node.output):
            if position < len(results) and results[position] is not None:
                self._operands[name] = self._set_type(call, results[position], call.types[position])
            elif name and name in self.read_counts:
                first = self._operands.get(call.node.output[0]) if position and not results else None
                self._operands[name] = self._add_unknown(call, name, first, values)

    def _set_type(self, call: Call, found: Operand, type: str) -> Operand:
        """A result whose numbers have this type, as those of the node have that was entered for it."""
        if not isinstance(found, Value):
            return found
        if found.id in call.entered:
            self.nodes[found.id] = replace(self.nodes[found.id], type=type)
        return replace(found, type=type)

    def _add_unknown(self, call: Call, name: str, first: Operand, values: Sequence[Value]) -> Value:
        """A result of an unknown operation; its second one is found beside its first."""
        shape = self.find_shape(call, name)
        if isinstance(first, Value):
            return call.move("result", first, shape)
        xs, details = list(map(call.straighten, values)), call.tell() + call.tell_constants()
        return call.foreign(Unknown, xs, shape, name=call.key[:120], details=details)

    def find_shape(self, call: Call, name: str) -> Extents:
        shape = self._shapes.find(call, name)
        if shape is None:
            where = f"node {cut(name_node(call.node), 160)} ({cut(call.key, 80)})"
            raise LostShapeError(
                f"nothing says the shape of what {where} gives; it is left out, with all that reads it: {HINT}"
            )
        return shape

    def _leave_unread(self, call: Call) -> list[Operand]:
        """What is computed from stored tensors whose numbers are not read."""
        sources = find_sources(call)
        return [
            Constant(name, self.find_shape(call, name), None, type, sources) if name in self.read_counts else None
            for name, type in zip(call.node.output, call.types, strict=True)
        ]

    def _find_outputs(self) -> dict[str, str]:
        outputs, names = {}, Names()
        for item in self.model.graph.output:
            found = self._operands.get(item.name)
            if item.name not in self._operands and item.name not in self._lost:
                raise ArchspecError(f"{self.path}: nothing computes the output '{cut(item.name, 80)}'")
            if isinstance(found, Value):
                outputs[names.claim(item.name)] = self.straighten(found).id if not found.straight else found.id
        if self._lost:  # what was left out may have read other results
            read = {operand for node in self.nodes.values() for operand in node.inputs}
            ends = self.nodes.keys() - read - set(outputs.values())
            outputs |= {names.claim(id): id for id, node in self.nodes.items() if id in ends and node.inputs}
        if not outputs:
            message = self._notes[0] if self._notes else "has no output that depends on an input"
            raise ArchspecError(f"{self.path}: {message}")
        return outputs


def _letters(op: Op) -> list[str]:
    return [dim for dim in op.dims if isinstance(dim, str)] if isinstance(op, Input) else []


def _find_turned(graph: onnx.GraphProto) -> set[str]:
    """Inputs with the channels last that are transposed to channels first, and read by nothing else."""
    turned: set[str] = set()
    others = {item.name for item in graph.output}
    for node in graph.node:
        perm = next((list(item.ints) for item in node.attribute if item.name == "perm"), [])
        first = node.op_type == "Transpose" and perm == [0, len(perm) - 1, *range(1, len(perm) - 1)]
        (turned if first else others).update(node.input, () if first else find_captured(node))
    return turned - others
