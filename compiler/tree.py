"""Trees of a graph's scopes in which equal neighbours are one, and the names of layers in them.

The outline behind `show` and `diff` and the boxes of a picture are both such a tree. They differ in what a branch holds
and in when neighbours are equal: an outline asks for equal figures, a picture for equal wiring. So each gives its own
`TreeRules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from archspec.ops import Input, Op
from compiler.scope_tree import ScopeTree

BranchT = TypeVar("BranchT")


@dataclass(frozen=True)
class LayerName:
    """An operation as a spec says it: its word, and the fields that have not their default value."""

    kind: str
    fields: tuple[tuple[str, Any], ...] = ()

    @property
    def words(self) -> str:
        """The fields as a spec has them: `out=16, stride=2`."""
        return ", ".join(f"{name}={write_field(value)}" for name, value in self.fields)

    def __str__(self) -> str:
        return f"{self.kind}({self.words})" if self.fields else self.kind


def write_field(value: Any) -> str:
    """Write the value of a field as a spec has it: one for each axis as a list."""
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else f"{value}"


def name_layer(op: Op) -> LayerName:
    """Name the layer that an operation is; of an input it is the type, since its shape stands beside it."""
    facts = {"type": op.type} if isinstance(op, Input) and op.type != "float" else {}
    return LayerName(op.word, tuple((facts if isinstance(op, Input) else op.chosen).items()))


class TreeRules(Protocol[BranchT]):
    """The rules of one kind of tree: of what it consists, and which neighbours in it are one."""

    def take(self, id: str) -> BranchT:
        """Make the branch of one node."""

    def continues(self, run: Sequence[BranchT], branch: BranchT) -> bool:
        """Tell whether a branch is one more of the equal neighbours before it."""

    def join(self, run: Sequence[BranchT]) -> BranchT:
        """Make the branch that stands for two or more equal neighbours."""

    def close(self, scope: ScopeTree, branches: Sequence[BranchT]) -> BranchT:
        """Make the branch of a scope."""

    def group(self, branches: Iterable[BranchT]) -> Iterable[BranchT]:
        """Group the branches of a scope, before equal ones are one: perhaps several belong together as one."""


def fold(scope: ScopeTree, rules: TreeRules[BranchT]) -> BranchT:
    """Fold the tree of a scope, from its leaves up."""
    branches = [rules.take(item) if isinstance(item, str) else fold(item, rules) for item in scope.items]
    runs: list[list[BranchT]] = []
    for branch in rules.group(branches):
        if runs and rules.continues(runs[-1], branch):
            runs[-1].append(branch)
        else:
            runs.append([branch])
    return rules.close(scope, [run[0] if len(run) == 1 else rules.join(run) for run in runs])
