"""What analyses share is found once, and says what each node or library would say by itself."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import compiler.analysis.field.receptive_field as receptive_field
import compiler.analysis.signal.signal as signal
from archspec.api import elaborate, load
from archspec.ops.signal.gaussian import POINTS, _legendre
from compiler.analysis.report import PARTS, analyze
from compiler.graph import Graph


def test_the_quadrature_is_gauss_s() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    np.testing.assert_allclose([node for node, _ in _legendre()], nodes, rtol=0, atol=1e-14)
    np.testing.assert_allclose([weight for _, weight in _legendre()], weights, rtol=0, atol=1e-14)


def count_calls(function: Callable[[Graph], Any], calls: list[str]) -> Callable[[Graph], Any]:
    """The function, which adds its name to `calls` whenever it is called."""

    def counted(graph: Graph) -> Any:
        calls.append(function.__name__)
        return function(graph)

    return counted


def test_each_walk_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for module, name in ((signal, "predict_signal"), (receptive_field, "measure_receptive_field")):
        monkeypatch.setattr(module, name, count_calls(getattr(module, name), calls))
    spec = load("resnet20")
    analyze(elaborate(spec), spec, wanted=PARTS)
    assert sorted(calls) == ["measure_receptive_field", "predict_signal"]


def test_the_analysis_of_a_resnet_does_not_import_numpy() -> None:
    """It would take longer than all of it, and a fourth of the memory."""
    code = (
        "import sys; from archspec.api import elaborate, load; from compiler.analysis.report import PARTS, analyze; "
        "spec = load('resnet18'); analyze(elaborate(spec), spec, wanted=PARTS).to_dict(); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
