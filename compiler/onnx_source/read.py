"""An ONNX file → the graph that every analysis takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from archspec.errors import ArchspecError, InputError, ModelError, raising
from archspec.ops import Op, Shape
from archspec.wording import cut, cut_middle
from compiler.graph import INTEGERS, Graph
from compiler.onnx_file.metadata import NAME, OPTIMIZED
from compiler.onnx_file.nodes import find_captured
from compiler.onnx_file.skim import list_metadata, skim_model
from compiler.onnx_source.call import NodeCall
from compiler.onnx_source.constants import find_sources, fold, read_sparse, read_tensor
from compiler.onnx_source.file.functions import inline_functions
from compiler.onnx_source.file.inputs import read_inputs
from compiler.onnx_source.file.names import name_kind
from compiler.onnx_source.file.order import sort_nodes
from compiler.onnx_source.file.schemas import shorten_domains
from compiler.onnx_source.names import Names
from compiler.onnx_source.node import FileNode
from compiler.onnx_source.ops.foreign import Input, Unknown
from compiler.onnx_source.rules import RULES
from compiler.onnx_source.samples import MixedSamplesError, SampleAxis
from compiler.onnx_source.shapes import LostShapeError
from compiler.onnx_source.simplify.blocks import mark_blocks
from compiler.onnx_source.simplify.recognize import recognize
from compiler.onnx_source.source_file import SourceFile
from compiler.onnx_source.values import Constant, FileValue, Operand, UnknownOpError
from compiler.onnx_source.writer import GraphWriter, settle_shared

MAX_NODES = 100_000
"""The largest number of nodes in a file that is read, its functions put in place."""

MAX_MESSAGE_LETTERS = 1000
"""The largest number of letters in a message about a file, whose own names stand in it."""

MAX_KIND_LETTERS = 120
"""The largest number of letters of an operation's name that no rule knows."""

LAYOUT_DOMAIN = "com.microsoft.nchwc"
"""The domain of operations of ONNX Runtime on channels in blocks as long as a processor's registers."""


def read_graph(path: str | Path, *, sizes: Mapping[str, int] | None = None) -> Graph:
    """Read the network in an ONNX file of vision operations, for one sample. The numbers of its weights are not read.

    It has the operations of the language wherever these say exactly what the file does, and is simplified where that
    changes no number; residual and dense blocks are found by their structure (`mark_blocks`). The first axis of an
    input is the batch where the file leaves it open, or fixes it and keeps its positions apart: the graph's `notes` say
    which. `sizes` give other open extents by their names, where the file does not say for which it was written. Raises
    ModelError where the file is no sound model, and InputError where a size is missing, or is none of the file's.

    >>> graph = archspec.elaborate(archspec.load("resnet_digits"))
    >>> _ = archspec.to_onnx(graph, archspec.to_torch(graph).state_dict(), "model.onnx")
    >>> from compiler.onnx_source.read import read_graph
    >>> [str(node.shape) for node in read_graph("model.onnx").inputs.values()]
    ['1×8×8']
    """
    path = Path(path)
    try:
        with raising(ModelError):
            return mark_blocks(settle_shared(recognize(_read(path, _load(path), sizes or {}))))
    except (ModelError, InputError) as error:  # names from the file stand in it
        raise type(error)(cut_middle(str(error), MAX_MESSAGE_LETTERS)) from error


def _load(path: Path) -> onnx.ModelProto:
    """The model of a file that can be followed, its functions put in place."""
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
    return model


def _read(path: Path, model: onnx.ModelProto, sizes: Mapping[str, int]) -> Graph:
    """The graph for one sample of a fixed batch, where the file keeps its samples apart; else for all together."""
    reader = GraphReader(path, model, sizes)
    inputs = reader.file.inputs
    names = " and ".join(name for name, shape in inputs.shapes.items() if shape[:1] == (inputs.batch,))
    try:
        note = f"the first axis of {names} is taken for a batch of {inputs.batch}; numbers are for one sample"
        graph = reader.read()
    except MixedSamplesError:
        note = f"the {inputs.batch} positions of the first axis of {names} are mixed; numbers are for all of them"
        graph = GraphReader(path, model, sizes, whole=True).read()
    return replace(graph, notes=(note, *graph.notes)) if inputs.batch > 1 else graph


class GraphReader:
    """A reader of the nodes of one model, one after the other."""

    def __init__(self, path: Path, model: onnx.ModelProto, sizes: Mapping[str, int], *, whole: bool = False) -> None:
        self.file = SourceFile(path, model, read_inputs(path, model, sizes, whole=whole))
        self.writer = GraphWriter(path, self.file.inputs.batch)
        self._operands: dict[str, Operand] = {"": None}
        self._lost: set[str] = set()
        self._unread: Counter[str] = Counter()
        self._notes: list[str] = []

    def read(self) -> Graph:
        path, model, nodes = self.file.path, self.file.model, self.writer.nodes
        order = sort_nodes(path, model.graph)
        self._read_stored()
        self._read_inputs()
        for number, node in order:
            self._read_node(node, number + 1)
        name = list_metadata(model).get(NAME, path.stem)
        sizes = {dim: self.file.inputs.sizes[dim] for node in nodes.values() for dim in _letters(node.op)}
        outputs = self._find_outputs()
        self.writer.drop_replaced(outputs.values())
        return Graph(Names().claim(name), nodes, outputs, sizes, dict(sorted(self._unread.items())), (*self._notes,))

    def _read_stored(self) -> None:
        graph = self.file.model.graph
        whole = FileNode.read(self.file, onnx.NodeProto(name=graph.name, op_type="graph"), [])
        for tensor in graph.initializer:
            self._operands[tensor.name] = read_tensor(whole, tensor)
        for sparse in graph.sparse_initializer:
            self._operands[sparse.values.name] = read_sparse(sparse)

    def _read_inputs(self) -> None:
        inputs = self.file.inputs
        turned = _find_turned(self.file.model.graph)
        for name, shape in inputs.shapes.items():
            order = tuple(range(len(shape)))
            if name in turned and len(shape) in (4, 5):  # read as channels first, and by nothing else
                order = (0, *range(2, len(shape)), 1)
            samples = SampleAxis(0) if inputs.batch > 1 and shape[:1] == (inputs.batch,) else None
            value = FileValue("", shape, order, inputs.types[name], samples)
            at = self.writer.per_sample(value)
            dims = tuple(dim for _, dim in sorted(zip(order, inputs.dims[name], strict=True), key=lambda x: x[0]))
            kept: tuple[int | str, ...] = dims[1:] if len(at) == len(dims) - 1 else at
            op = Input(dims=kept, at=at, type="int" if value.type in ("int32", INTEGERS) else "float")
            source = self.writer.place(1)
            id = self.writer.add(name, op, (), Shape(*at), source=source, type=value.type)
            self._operands[name] = replace(value, id=id)

    def _read_node(self, node: onnx.NodeProto, line: int) -> None:
        reads = [*node.input, *find_captured(node)]
        if not self._lost.isdisjoint(reads):
            self._leave(node)
            return
        operands = [self._operands[name] for name in node.input]
        call = NodeCall.read(self.file, node, operands, writer=self.writer, source=self.writer.place(line))
        captured = [self._operands.get(name) for name in reads[len(node.input) :]]
        values = [item for item in (*operands, *captured) if isinstance(item, FileValue)]
        try:
            self._keep(call, self._compute(call, values), values)
        except LostShapeError as error:
            self._notes += [] if self._unread else [str(error)]
            self._leave(node)

    def _compute(self, call: NodeCall, values: Sequence[FileValue]) -> Sequence[Operand]:
        """The results that the rules say; none where no rule knows the operation."""
        if not values:
            return fold(call) or _leave_unread(call)
        if call.key not in RULES:
            return []
        try:
            found = RULES[call.key](call)
        except UnknownOpError:
            return []
        return found if isinstance(found, list) else [found]

    def _leave(self, node: onnx.NodeProto) -> None:
        """Go on without a node, and without all that reads its results."""
        self._unread[cut(name_kind(node), MAX_KIND_LETTERS)] += 1
        self._lost.update(filter(None, node.output))

    def _keep(self, call: NodeCall, results: Sequence[Operand], values: Sequence[FileValue]) -> None:
        """Enter the results by their names; what no rule gives is unknown."""
        names = call.proto.output
        for position, name in enumerate(names):
            if position < len(results) and results[position] is not None:
                self._operands[name] = self._set_type(call, results[position], call.types[position])
            elif name and call.gives(position):
                first = self._operands.get(names[0]) if position and not results else None
                self._operands[name] = _add_unknown(call, position, first, values)

    def _set_type(self, call: NodeCall, found: Operand, type: str) -> Operand:
        """A result whose numbers have this type, as those of the node have that was entered for it."""
        if not isinstance(found, FileValue):
            return found
        if found.id in call.entered:
            self.writer.set_type(found.id, type)
        return replace(found, type=type)

    def _find_outputs(self) -> dict[str, str]:
        path, nodes = self.file.path, self.writer.nodes
        outputs, names = {}, Names()
        for item in self.file.model.graph.output:
            found = self._operands.get(item.name)
            if item.name not in self._operands and item.name not in self._lost:
                raise ArchspecError(f"{path}: nothing computes the output '{cut(item.name, 80)}'")
            if isinstance(found, FileValue):
                outputs[names.claim(item.name)] = self.writer.straighten(found).id
        if self._lost:  # what was left out may have read other results
            read = {operand for node in nodes.values() for operand in node.inputs}
            ends = nodes.keys() - read - set(outputs.values())
            outputs |= {names.claim(id): id for id, node in nodes.items() if id in ends and node.inputs}
        if not outputs:
            message = self._notes[0] if self._notes else "has no output that depends on an input"
            raise ArchspecError(f"{path}: {message}")
        return outputs


def _add_unknown(call: NodeCall, position: int, first: Operand, values: Sequence[FileValue]) -> FileValue:
    """A result of an unknown operation; its second one is found beside its first."""
    shape = call.find_shape(position)
    if isinstance(first, FileValue):
        return call.move("result", first, shape)
    xs, details = list(map(call.straighten, values)), call.tell() + call.tell_constants()
    return call.foreign(Unknown, xs, shape, name=cut(call.key, MAX_KIND_LETTERS), details=details)


def _leave_unread(node: FileNode) -> list[Operand]:
    """List what is computed from stored tensors whose numbers are not read."""
    sources = find_sources(node)
    return [
        Constant(name, node.find_shape(position), None, type, sources) if node.gives(position) else None
        for position, (name, type) in enumerate(zip(node.proto.output, node.types, strict=True))
    ]


def _letters(op: Op) -> list[str]:
    return [dim for dim in op.dims if isinstance(dim, str)] if isinstance(op, Input) else []


def _find_turned(graph: onnx.GraphProto) -> set[str]:
    """Find inputs with the channels last that are transposed to channels first, and read by nothing else."""
    turned: set[str] = set()
    others = {item.name for item in graph.output}
    for node in graph.node:
        perm = next((list(item.ints) for item in node.attribute if item.name == "perm"), [])
        first = node.op_type == "Transpose" and perm == [0, len(perm) - 1, *range(1, len(perm) - 1)]
        (turned if first else others).update(node.input, () if first else find_captured(node))
    return turned - others
