"""Attributes that have not their usual value are a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiler.analysis.compare.diff import diff_graphs
from tests.support.foreign_models import (
    floats,
    node,
    read_nodes,
)

CHOICES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("Pad", {"mode": "constant"}, {"mode": "reflect"}, "x p"),
    ("Pad", {}, {}, "x p 0|5"),
    ("Resize", {"mode": "linear", "antialias": 0}, {"mode": "linear", "antialias": 1}, "x - - z"),
    ("Gather", {"axis": 1}, {"axis": 1}, "x i|j"),
    ("HardSigmoid", {"alpha": 0.2}, {"alpha": 0.4}, "x"),
    ("ThresholdedRelu", {"alpha": 1.0}, {"alpha": 0.5}, "x"),
    ("Selu", {}, {"gamma": 2.0}, "x"),
    ("LRN", {"size": 3}, {"size": 3, "beta": 0.5}, "x"),
    ("LpPool", {"kernel_shape": [2, 2], "p": 2}, {"kernel_shape": [2, 2], "p": 1}, "x"),
    ("CumSum", {"reverse": 0}, {"reverse": 1}, "x axis"),
    ("ReduceSum", {}, {}, "x a|b"),
    ("ReduceSum", {"keepdims": 0}, {"keepdims": 0}, "x a|b"),
    ("TopK", {"axis": 2}, {"axis": 3}, "x k"),
    ("DepthToSpace", {"blocksize": 2, "mode": "DCR"}, {"blocksize": 2, "mode": "CRD"}, "x"),
    ("Transpose", {"perm": [2, 1, 0, 3]}, {"perm": [3, 1, 0, 2]}, "x"),
    ("Einsum", {"equation": "nchw,wd->nchd"}, {"equation": "nchw,hd->ncwd"}, "x m"),
    ("Mod", {"fmod": 1}, {"fmod": 1}, "x 2|3"),
]


@pytest.mark.parametrize(("kind", "first", "second", "reads"), CHOICES, ids=[f"{row[0]}-{row[3]}" for row in CHOICES])
def test_other_attributes_are_a_difference(
    kind: str, first: dict[str, Any], second: dict[str, Any], reads: str, tmp_path: Path
) -> None:
    """And the same ones are none, said or left out where they have their usual value."""
    arrays: dict[str, Any] = {
        "p": [0, 0, 1, 1, 0, 0, 1, 1],
        "z": [1, 4, 5, 5],
        "i": [0, 1],
        "j": [2, 3],
        "axis": 2,
        "k": [9],
    }
    arrays |= {"m": floats(9, 9)}
    arrays |= {"a": [2], "b": [3]} | {str(n): np.float32(n) for n in (0, 2, 3, 5)}
    graphs = []
    for attributes, position in ((first, 0), (second, -1), (first, 0)):
        names = [name.split("|")[position] for name in reads.split()]
        used = {name: arrays[name] for name in names if name in arrays}
        outputs = "y i2" if kind == "TopK" else "y"
        graphs.append(
            read_nodes([node(kind, " ".join(names), outputs, **attributes)], (1, 4, 9, 9), used, tmp_path, opset=18)
        )
    assert not diff_graphs(graphs[0], graphs[1]).equal
    assert diff_graphs(graphs[0], graphs[2]).equal


def test_usual_values_go_without_saying(tmp_path: Path) -> None:
    said = read_nodes([node("Selu", "x", alpha=1.67326319217681884765625)], (1, 4), {}, tmp_path, opset=18)
    assert diff_graphs(said, read_nodes([node("Selu", "x")], (1, 4), {}, tmp_path, opset=18)).equal
