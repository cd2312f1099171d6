"""Words name classes without importing them, and the tables say what the classes are."""

from __future__ import annotations

import subprocess
import sys

import pytest

from archspec import ops
from archspec.ops.words import Words, list_homes, spell_word
from archspec.spec.body import STRUCTURE


def test_a_class_is_found_by_its_word() -> None:
    words = Words[type[ops.Op]]("archspec.ops", {"conv": "linear.Conv"})
    assert (list(words), len(words), words["conv"], words.name_file("conv")) == (["conv"], 1, ops.Conv, "linear")
    assert "conv" in words
    assert "relu" not in words
    with pytest.raises(KeyError):
        words["relu"]


def test_homes_are_spelled_from_names() -> None:
    assert list_homes({"normalization": "BatchNorm L2Norm"}) == {
        "batch_norm": "normalization.BatchNorm",
        "l2_norm": "normalization.L2Norm",
    }
    assert spell_word("Relu6") == "relu6"


def test_the_tables_say_what_the_classes_are() -> None:
    assert all(kind == op.kind for table in (ops.LAYERS, ops.ACTIVATIONS, ops.MERGES) for kind, op in table.items())
    layers = {op for op in ops.OPS if issubclass(op, ops.Layer)}
    assert {*ops.LAYERS.values()} == layers - {ops.DeformConv}, "which takes bodies, as words of structure do"
    assert {*ops.ACTIVATIONS.values()} == {op for op in ops.OPS if issubclass(op, ops.Activation)}
    assert {*ops.MERGES.values()} == {op for op in ops.OPS if issubclass(op, ops.Merge)}
    norms = {op for op in ops.OPS if issubclass(op, ops.Normalization | ops.RmsNorm)}
    assert {*ops.NORMALIZATIONS.values()} == norms
    assert all(op.kind.removesuffix("_norm") == word for word, op in ops.NORMALIZATIONS.items())


def test_every_public_name_is_found() -> None:
    assert all(hasattr(ops, name) for name in ops.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        ops.Nothing  # noqa: B018


def test_words_of_structure_are_those_of_their_models() -> None:
    assert {word: node.word for word, node in STRUCTURE.items()} == {word: word for word in STRUCTURE}


def test_a_spec_loads_the_operations_that_it_uses() -> None:
    code = """
import sys, archspec
archspec.analyze(archspec.elaborate(archspec.load("resnet50")))
print(*sorted(name for name in sys.modules if name.startswith(("archspec.ops.", "archspec.spec.nodes."))))
"""
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    used = {*("linear", "normalization", "activation", "pooling", "reshape", "merge")}
    assert {f"archspec.ops.{name}" for name in used} <= loaded
    unused = {
        *("attention", "partition", "recurrent", "joining", "slicing", "padding", "resize", "rearranging", "adaptive")
    }
    assert not {f"archspec.ops.{name}" for name in unused} & loaded
    assert not {f"archspec.spec.nodes.{name}" for name in ("attention", "levels", "like", "merges", "split")} & loaded
