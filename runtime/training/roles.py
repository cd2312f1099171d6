"""What each weight of a network is to an optimizer: whether it decays, how deep it lies, whether it gives outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archspec.extras import extra
from archspec.ops import Add, Input, Op
from compiler.graph import Graph, Node
from compiler.scope_tree import scopes_around

with extra("train"):
    from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class WeightRole:
    """The part of one weight: `decays` where it is a kernel or a matrix of a linear map; `is_matrix` where it is a
    single one, of a hidden layer, which is what Muon is for; `depth` counts layers from the inputs, from 1; `is_head`
    where it belongs to a layer that gives an output; `block` is the residual block that it lies in, if it does."""

    decays: bool
    is_matrix: bool
    depth: int
    is_head: bool
    block: str | None = None


def find_roles(graph: Graph) -> dict[str, WeightRole]:
    """Find the roles of a graph's weights, by name; of weights that nodes share, the role at their first node.

    Depth is the largest number of layers on the way from an input. A layer is a residual block with the scope around
    it, one layer of a dense block, or a layer with a kernel outside of these, with what follows it; what follows a
    block outside of it, as a last normalization does, belongs to the next kernel (as in BEiT's and timm's layer ids).
    """
    units, heads, stems = _find_units(graph), _find_heads(graph), _find_stems(graph)
    depths = _measure_depths(graph, units)
    roles: dict[str, WeightRole] = {}
    for node in graph:
        for name, weight in graph.weights_of(node).items():
            decays = len(weight.shape) > 1 and _is_kernel(node.op)
            hidden = node.op.has_kernel and node.id not in heads | stems and _has_one_map(node.op)
            depth, block = max(depths[node.id], 1), units.get(node.id)
            roles.setdefault(name, WeightRole(decays, decays and hidden, depth, node.id in heads, block))
    return roles


def guess_roles(module: nn.Module) -> dict[str, WeightRole]:
    """Guess the roles of the parameters of a module that has no graph, by name, from the order in which it names them:
    each layer with a matrix is one deeper, the last one is the head. Tables of an Embedding do not decay."""
    roles: dict[str, WeightRole] = {}
    owners = [(name, part, dict(part.named_parameters(recurse=False))) for name, part in module.named_modules()]
    owners = [(name, part, own) for name, part, own in owners if own]
    kernels = [name for name, part, own in owners if any(_decays(part, weight) for weight in own.values())]
    depth = 1
    for path, part, own in owners:
        if path in kernels[1:]:
            depth += 1
        for name, weight in own.items():
            decays = _decays(part, weight)
            hidden = path not in (kernels[0], kernels[-1]) if decays else False
            matrix = hidden and isinstance(part, MATRICES) and getattr(part, "groups", 1) == 1
            whole = f"{path}.{name}" if path else name
            roles[whole] = WeightRole(decays, matrix, depth, bool(kernels) and path == kernels[-1])
    return roles


MATRICES = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
"""torch's layers whose weight is the kernel of one linear map, unless it has groups."""


def _decays(part: nn.Module, weight: Tensor) -> bool:
    return weight.ndim > 1 and not isinstance(part, nn.Embedding)


def _is_kernel(op: Op) -> bool:
    """Tell whether an operation's matrices are those of linear maps; tables that are looked up, learned values and
    positions are none. What an extension stores is taken for one."""
    return (op.family == "kernel" and op.takes == "float") or (op.family == "other" and not isinstance(op, Input))


def _has_one_map(op: Op) -> bool:
    """Tell whether a kernel is that of one linear map: in groups it is several, in the gates of an LSTM four."""
    return getattr(op, "groups", 1) == 1 and not hasattr(op, "gates") and not getattr(op, "weight_norm", False)


BEHIND_BLOCK, WITHOUT_KERNEL, WITH_KERNEL = range(3)
"""The states of a layer outside of blocks behind a value: none has begun, it has no kernel yet, or it has one."""


def _measure_depths(graph: Graph, units: Mapping[str, str]) -> dict[str, int]:
    """Measure the largest number of layers from an input up to each node, itself among them."""
    members: dict[str, list[Node]] = {}
    for node in graph:
        if node.id in units:
            members.setdefault(units[node.id], []).append(node)
    ends: dict[str, tuple[int, int]] = {}
    inside: dict[str, int] = {}
    for node in graph:
        unit = units.get(node.id)
        if unit is not None and unit not in inside:
            outer = [id for member in members[unit] for id in member.inputs if units.get(id) != unit]
            has_weights = any(graph.stored_by(member) for member in members[unit])
            inside[unit] = max((ends[id] for id in outer if id in ends), default=(0, 0))[0] + has_weights
        if unit is not None:
            ends[node.id] = inside[unit], BEHIND_BLOCK
            continue
        ends[node.id] = _go_on(node, max((ends[id] for id in node.inputs), default=(0, 0)), bool(graph.stored_by(node)))
    return {id: depth for id, (depth, _) in ends.items()}


def _go_on(node: Node, end: tuple[int, int], has_weights: bool) -> tuple[int, int]:
    """The depth and the state behind a node outside of blocks, whose operands end in `end`."""
    depth, state = end
    if not has_weights:
        return end
    if node.op.has_kernel:
        return depth + (state != WITHOUT_KERNEL), WITH_KERNEL
    return (depth + 1, WITHOUT_KERNEL) if state == BEHIND_BLOCK else end


def _find_units(graph: Graph) -> dict[str, str]:
    """Find, for each node in a block, the scope that is the block's layer: a block call or an iteration of a loop that
    holds residuals; the residual alone where these stand among others, or in the network itself."""
    layers: set[str] = set()
    residuals: set[str] = set()
    for node in graph:
        if node.body is not None:
            (residuals if isinstance(node.op, Add) else layers).add(node.body)
    outermost = {body for body in residuals if not any(scope in residuals for scope in scopes_around(body))}
    around = {body: next(scopes_around(body), "") for body in outermost}
    holds_others = {scope for found in set(around.values()) for scope in scopes_around(found)} | {""}
    layers |= {body if scope in holds_others else scope for body, scope in around.items()}
    units = {}
    for node in graph:
        found = [scope for scope in (node.id, *scopes_around(node.id)) if scope in layers]
        if found:
            units[node.id] = found[-1]
    return units


def _find_heads(graph: Graph) -> set[str]:
    """Find the nodes on the way back from the outputs, up to the first kernels."""
    found: set[str] = set()
    waiting = list(graph.outputs.values())
    while waiting:
        id = waiting.pop()
        if id not in found:
            found.add(id)
            waiting += [] if graph[id].op.has_kernel else graph[id].inputs
    return found


def _find_stems(graph: Graph) -> set[str]:
    """Find the nodes with a kernel that an input reaches without passing another."""
    raw = set(graph.inputs)
    for node in graph:
        if not node.op.has_kernel and any(id in raw for id in node.inputs):
            raw.add(node.id)
    return {node.id for node in graph if node.op.has_kernel and any(id in raw for id in node.inputs)}
