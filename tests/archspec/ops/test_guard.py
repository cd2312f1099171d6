"""The guard of a caller's operations: what they raise is told with class, method and line, and what nothing can be
computed with is refused; what is right passes as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archspec.errors import ArchspecError
from archspec.ops import Conv, Layer, OpError, Shape, Weight
from archspec.ops.guard import ExtensionError, is_extension
from archspec.spec.load import load
from compiler.analysis.report import analyze
from compiler.elaborate.elaborate import elaborate
from tests.archspec.spec.texts import mistakes_in, write

X = Shape(4, 8, 8)


class Right(Layer):
    def infer(self, x: Shape) -> Shape:
        if x.channels == 5:
            raise OpError("five channels are too many")
        return Shape(x.channels, 1)

    def weights(self, x: Shape) -> dict[str, Weight]:
        return {"weight": Weight((x.channels,), 1.0)}

    def macs(self, x: Shape) -> int:
        return 7

    def torch_module(self, x: Shape) -> Any:
        return lambda value: value


class Wrong(Layer):
    """An operation whose methods give what the test says, or raise it."""

    result: Any = None

    def _answer(self) -> Any:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    def infer(self, x: Shape) -> Shape:
        return self._answer()

    def macs(self, x: Shape) -> int:
        return self._answer()

    def weights(self, x: Shape) -> dict[str, Weight]:
        return self._answer()

    def torch_module(self, x: Shape) -> Any:
        return lambda value: self._answer()

    @property
    def keeps_zeros(self) -> bool:
        return self._answer()


def test_what_is_right_passes_as_it_is() -> None:
    op = Right()
    assert (op.infer(X), op.macs(X), op.weights(X)) == ((4, 1), 7, {"weight": Weight((4,), 1.0)})
    assert op.torch_module(X)("value") == "value"
    with pytest.raises(OpError, match="too many") as caught:
        op.infer(Shape(5, 1))
    assert not isinstance(caught.value, ExtensionError)
    assert is_extension(Right)
    assert not is_extension(Conv)


@pytest.mark.parametrize("method", ["infer", "macs", "weights"])
def test_what_a_method_raises_is_told_with_its_line(method: str) -> None:
    op = Wrong.model_construct(result=KeyError("w"))
    with pytest.raises(ExtensionError, match=rf"Wrong fails: `{method}` at .*test_guard\.py:\d+ raises KeyError: 'w'"):
        getattr(op, method)(X)


def test_properties_and_the_functions_for_torch_are_guarded_too() -> None:
    op = Wrong.model_construct(result=KeyError("w"))
    with pytest.raises(ExtensionError, match="`keeps_zeros`"):
        _ = op.keeps_zeros
    with pytest.raises(ExtensionError, match="`torch_module`"):
        op.torch_module(X)(1)


HALVES: Any = (1.5, 8)
BAD_WEIGHTS: list[Any] = [None, [], {"w": 3}, {1: Weight((4,), 1.0)}]


@pytest.mark.parametrize(
    ("method", "result"),
    [
        *(("infer", result) for result in (None, (4, 8), Shape(-1, 8), Shape(0, 8), Shape(*HALVES), "4×8")),
        *(("macs", result) for result in (None, -1, 1.5, True, "7")),
        *(("weights", result) for result in BAD_WEIGHTS),
    ],
)
def test_what_nothing_can_be_computed_with_is_refused(method: str, result: Any) -> None:
    with pytest.raises(ExtensionError, match=f"its `{method}` should give a .*, found "):
        getattr(Wrong.model_construct(result=result), method)(X)


def test_a_spec_that_uses_one_is_told_the_place(tmp_path: Path) -> None:
    spec = write(tmp_path, "archspec: 1\ninputs: {x: [4, 8, 8]}\nnetwork: [relu, ext: wrong]\n")
    (mistake,) = mistakes_in(spec, extensions={"wrong": Wrong})
    assert (mistake.code, mistake.place.line, mistake.place.column) == ("extension", 3, 17)


def test_an_analysis_tells_it_as_a_message(tmp_path: Path) -> None:
    class Uncounted(Layer):
        def infer(self, x: Shape) -> Shape:
            return x

        def macs(self, x: Shape) -> int:
            raise RuntimeError("who knows")

    spec = write(tmp_path, "archspec: 1\ninputs: {x: [4, 8, 8]}\nnetwork: [relu, ext: uncounted]\n")
    graph = elaborate(load(spec, extensions={"uncounted": Uncounted}))
    with pytest.raises(ArchspecError, match="Uncounted fails: `macs`"):
        analyze(graph)
