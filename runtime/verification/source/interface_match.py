"""The match of interfaces: which inputs and outputs of a model file are those of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from archspec.errors import ArchspecError
from compiler.graph import Graph
from compiler.onnx_file.extents import DeclaredExtents
from runtime.session.shape_watch import tell_extents
from runtime.verification.checks import Check
from runtime.verification.model.declared_shapes import DeclaredShapes
from runtime.verification.model.inside import ModelInside

DeclaredByName: TypeAlias = Mapping[str, DeclaredExtents | None]
"""The extents that are declared of inputs or outputs, by name; None where none are."""


@dataclass(frozen=True, slots=True)
class InterfaceMatch:
    """The inputs and outputs of a network in a file: `names_in_file` is the file's name of each, `inputs`
    has the extents that the file declares of each input, both by the network's names."""

    names_in_file: Mapping[str, str]
    inputs: DeclaredByName

    @property
    def batch(self) -> int | None:
        """The only batch that the file takes; None where it takes any."""
        firsts = (extents[0] for extents in self.inputs.values() if extents)
        return next((first for first in firsts if isinstance(first, int)), None)

    def take(self, case: Mapping[str, tuple[int, ...]]) -> bool:
        """True if the file takes inputs of these shapes."""
        return all(_fits(shape, self.inputs[name]) for name, shape in case.items())

    def check(self) -> list[Check]:
        """Check the names: a row that they differ, where they do."""
        differing = [f"{there} for {name}" for name, there in self.names_in_file.items() if name != there]
        text = f"the file's only ones are taken, under other names: {', '.join(differing)}"
        return [Check("names", "noted", text)] if differing else []


def match_interface(inside: ModelInside, graph: Graph) -> InterfaceMatch:
    """Match inputs and outputs by name; a single input, or a single output, also under another one. Raises
    ArchspecError where they differ."""
    declared = DeclaredShapes(inside.model.graph)
    expected: DeclaredByName = {name: ("N", *node.shape) for name, node in graph.inputs.items()}
    gives: DeclaredByName = {name: ("N", *graph[id].shape) for name, id in graph.outputs.items()}
    inputs = _match("takes", declared.inputs, expected, graph.name)
    outputs = _match("gives", declared.outputs, gives, graph.name)
    return InterfaceMatch({**inputs, **outputs}, {name: declared.inputs[there] for name, there in inputs.items()})


def _match(verb: str, found: DeclaredByName, expected: DeclaredByName, network: str) -> dict[str, str]:
    """Find what the file calls each of the network's. Raises ArchspecError where these are not the same ones."""
    alike = (
        dict(zip(expected, found, strict=True))
        if len(found) == len(expected) == 1
        else {name: name for name in expected}
    )
    problems = list(_find_problems(found, expected, alike))
    if problems:
        theirs, ours = (
            ", ".join(f"{name} {tell_extents(value)}" for name, value in ends.items()) for ends in (found, expected)
        )
        raise ArchspecError(
            f"the file {verb} {theirs or 'nothing'}; {network} {verb} {ours or 'nothing'}: {'; '.join(problems)}"
        )
    return alike


def _find_problems(found: DeclaredByName, expected: DeclaredByName, alike: Mapping[str, str]) -> Iterator[str]:
    for name in expected:
        if alike[name] not in found:
            yield f"the file has no {name}"
    for name in found:
        if name not in alike.values():
            yield f"the network has no {name}"
    for name, there in alike.items():
        theirs, ours = found.get(there), expected[name]
        if theirs is None or ours is None:
            continue
        if len(theirs) != len(ours):
            yield f"{name} has {len(theirs)} axes in the file and {len(ours)} in the network"
        elif isinstance(theirs[1], int) and theirs[1] != ours[1]:
            yield f"{name} has {theirs[1]} channels in the file and {ours[1]} in the network"


def _fits(shape: tuple[int, ...], extents: DeclaredExtents | None) -> bool:
    return extents is None or all(
        not isinstance(there, int) or there == extent for extent, there in zip(shape, extents, strict=True)
    )
