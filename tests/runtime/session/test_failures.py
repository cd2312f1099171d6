"""A failure keeps its reason, and loses the places in C++; the messages are ONNX Runtime's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from archspec.errors import ArchspecError
from runtime.session.failures import MAX_REASON, shorten, telling
from runtime.session.session import Session
from tests.support.models import build_double, build_model, save

CPP = "/onnxruntime_src/"


def build_later(*, ir: int = 8, opset: int = 17) -> onnx.ModelProto:
    model = build_double()
    model.ir_version, model.opset_import[0].version = ir, opset
    return model


def build_one(op: str, inputs: Any, outputs: Any, weights: Any = None, **attributes: Any) -> onnx.ModelProto:
    node = helper.make_node(op, [*inputs, *(weights or {})], list(outputs), **attributes)
    return build_model([node], inputs, outputs, weights)


LOADING: dict[str, tuple[onnx.ModelProto, str]] = {
    "IR version": (build_later(ir=14), "Unsupported model IR version: 14, max supported IR version: 13"),
    "opset": (build_later(opset=27), "Current official support for domain ai.onnx is till opset 26."),
    "attribute": (
        build_one(
            "Conv",
            {"x": ["N", 3, 8, 8]},
            {"y": ["N", 3, 6, 6]},
            {"w": np.ones((3, 3, 3, 3), np.float32)},
            dilations=[1] * 3,
        ),
        "Attribute dilations has incorrect size",
    ),
    "constructor of a template": (
        build_model(
            [helper.make_node("Resize", ["x", "", "scales"], ["y"])],
            {"x": ["N", 4]},
            {"y": ["N", "K"]},
            {"scales": np.array([-1, 0.0], np.float32)},
        ),
        "Scale value should be greater than 0.",
    ),
}


@pytest.mark.parametrize("name", LOADING)
def test_a_model_that_does_not_load_says_why(tmp_path: Path, name: str) -> None:
    model, reason = LOADING[name]
    path = save(model, tmp_path / "m.onnx")
    with pytest.raises(ArchspecError) as caught:
        Session(path, providers=["cpu"])
    said = str(caught.value)
    assert said.startswith(f"{path}: ONNX Runtime cannot load it: ")
    assert said.endswith(reason)
    assert said.count(str(path)) == 1
    with pytest.raises(Exception, match=r"Load model from .* failed|Exception during initialization") as raw:
        onnxruntime.InferenceSession(path)  # the control: there is something to take away
    assert len(str(raw.value)) > len(said.partition("cannot load it: ")[2])


ADDING = build_model([helper.make_node("Add", ["a", "b"], ["y"])], {"a": ["N"], "b": ["M"]}, {"y": ["K"]})


@pytest.mark.parametrize("call", [Session.run, Session.bind])
def test_a_run_and_a_binding_that_fail_say_why(tmp_path: Path, call: Callable[..., Any]) -> None:
    path = save(ADDING, tmp_path / "m.onnx")
    feed = {"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)}
    with pytest.raises(ArchspecError) as caught:
        call(Session(path, providers=["cpu"]), feed)
    assert str(caught.value) == (
        f"{path}: ONNX Runtime failed: Non-zero status code returned while running Add node. Name:'' Status Message: "
        "axis == 1 || axis == largest was false. Attempting to broadcast an axis by a dimension other than 1. 2 by 3"
    )
    with pytest.raises(Exception, match=CPP):
        onnxruntime.InferenceSession(path).run(None, feed)


def test_nothing_is_said_twice(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """ONNX Runtime prints, in red, what it raises."""
    path = save(ADDING, tmp_path / "m.onnx")
    feed = {"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)}
    session = Session(path, providers=["cpu"])
    for call in (session.run, session.bind):
        with pytest.raises(ArchspecError):
            call(feed)
    with pytest.raises(ArchspecError):
        Session(save(LOADING["constructor of a template"][0], tmp_path / "n.onnx"), providers=["cpu"])
    assert capfd.readouterr().err == ""
    with pytest.raises(Exception, match=CPP):
        onnxruntime.InferenceSession(path).run(None, feed)
    assert CPP in capfd.readouterr().err


def test_an_output_that_is_declared_wrongly_says_both_shapes(tmp_path: Path) -> None:
    """A place in C++ with a code of its own behind it, in the middle of the text."""
    model = build_one("Reshape", {"x": ["N", 4]}, {"y": [1, 4]}, {"s": np.array([-1, 4], np.int64)})
    path = save(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(path)
    binding = session.io_binding()
    binding.bind_cpu_input("x", np.ones((3, 4), np.float32))
    binding.bind_ortvalue_output("y", onnxruntime.OrtValue.ortvalue_from_shape_and_type([1, 4], np.float32))
    with pytest.raises(ArchspecError) as caught, telling(path):
        session.run_with_iobinding(binding)
    assert "has shape {1,4} but the computed output shape for this run is {3,4}" in str(caught.value)
    assert "onnxruntime::" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/a/b.cc:1 void f(int, g<(1)>(int)) const Reason (1).", "Reason (1)."),
        ("/a/b.h:22 auto x::y::operator()(int) const::<lambda(long int)> Reason", "Reason"),
        ("/a/b.hpp:3 T* f(T) [with T = float; U = int] Reason", "Reason"),
        (r"D:\a\b.cc:1 bool f() Reason", "Reason"),
        ("node (Conv): /a/b.cc:1 f(int) [ONNXRuntimeError] : 1 : FAIL : b.h:7 check Reason", "node (Conv): Reason"),
        ("/a/b.cc:1 f(int without an end", "f(int without an end"),
        ("/a/b.cc:1 no function at all", "no function at all"),
        ("m.onnx: 2 by 3 (see a.h:b)", "m.onnx: 2 by 3 (see a.h:b)"),
        ("a\n  b", "a b"),
        ("", ""),
    ],
)
def test_what_is_taken_away_is_no_more_than_the_place(text: str, reason: str) -> None:
    assert shorten(RuntimeError(text)) == reason


def test_a_reason_is_bounded() -> None:
    said = shorten(RuntimeError("x" * 10_000))
    assert len(said) == MAX_REASON
    assert said.endswith("…")
