"""The check whether outputs have the shapes that a model declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archspec.arrays import Array
from archspec.extras import extra
from archspec.wording import tell_count
from runtime.session.shape_watch import find_lies
from runtime.verification.checks import Check

with extra("run"):
    import onnx

    from compiler.onnx_file.extents import read_extents


class DeclaredShapes:
    """The shapes that a model declares of its inputs and outputs; `meet` looks at what came in a run, once for each."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        stored = {tensor.name for tensor in graph.initializer}
        self.inputs = {item.name: read_extents(item) for item in graph.input if item.name not in stored}
        self.outputs = {item.name: read_extents(item) for item in graph.output}
        self._declared = [(item.name, read_extents(item)) for item in graph.output]  # a name may stand there twice
        self.runs = 0
        self._lies: dict[str, None] = {}

    def meet(self, feed: Mapping[str, Array], found: Mapping[str, Array]) -> None:
        self.runs += 1
        self._lies |= dict.fromkeys(find_lies(self.inputs, self._declared, feed, found))

    def check(self, steering: Sequence[str]) -> Check:
        """Check what all runs together said. Inputs that may steer shapes, and are made up, excuse what is found."""
        if self._lies:
            first, *others = self._lies
            more = f"; and in {tell_count(len(others), 'other way')}" if others else ""
            if steering:
                return Check("shapes", "noted", f"{first}{more}; but '{steering[0]}' was made up of zeros")
            return Check("shapes", "failed", f"{first}{more}")
        silent = [name for name, extents in self.outputs.items() if extents is None]
        if silent:
            return Check("shapes", "noted", f"the file declares no shape of its output '{silent[0]}'")
        runs = tell_count(self.runs, "run")
        return Check("shapes", "passed", f"outputs have the shapes that the file declares, in {runs}")
