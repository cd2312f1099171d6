"""The signal's tables on a terminal."""

from __future__ import annotations

import pytest

from archspec.api import elaborate, load
from archspec.cli.tables.console import console
from archspec.cli.tables.signal import print_choices, print_signal
from compiler.analysis.signal.choice_effects import compare_choices
from compiler.analysis.signal.signal import predict_signal
from runtime.experiments.signal import measure_signal


def test_a_row_for_each_block_with_its_law(capsys: pytest.CaptureFixture[str]) -> None:
    signal = predict_signal(elaborate(load("residual_mlp", {"blocks": 30})))
    print_signal(signal, None, console())
    text = capsys.readouterr().out
    rows = [line for line in text.splitlines() if line.rstrip().endswith(("█", "▏", "▎", "▍", "▌", "▋", "▊", "▉"))]
    assert len(rows) == 32  # the blocks, the input and the output
    assert "second moment times 2 a block, within 0.0%: 30 blocks" in text
    assert "values leave fp16 (65,504, at six standard deviations) first at" in text
    assert "in the block repeat_0.i25.residual_0: second moment 1.342e+08" in text


def test_every_node_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    graph = elaborate(load("residual_mlp"))
    print_signal(predict_signal(graph), None, console(), every=True)
    text = capsys.readouterr().out
    assert all(f"{id} " in text for id in graph.nodes)
    assert "values and gradients stay within fp16" in text


def test_layers_where_there_are_no_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    print_signal(predict_signal(elaborate(load("mlp"))), None, console())
    text = capsys.readouterr().out
    assert "repeat_0.i9.linear_0 " in text
    assert "relu" not in text


def test_estimates_are_marked_and_the_unknown_is_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_signal(predict_signal(elaborate(load("residual_mlp_a", {"blocks": 400}))), None, console())
    text = capsys.readouterr().out
    assert "~" in text
    assert "unknown" in text


def test_measured_beside_predicted(capsys: pytest.CaptureFixture[str]) -> None:
    graph = elaborate(load("resnet110_fixup", {"blocks": 1}), {"H": 8, "W": 8})
    print_signal(predict_signal(graph), measure_signal(graph, batch=4, repeats=2), console())
    text = capsys.readouterr().out
    assert "measured  ratio" in text
    assert "measured: 2 draws of all weights, batches of 4" in text


def test_choices_and_what_cannot_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    print_choices("norm", compare_choices(load("mlp"), "norm"), console())
    text = capsys.readouterr().out
    assert "groups: 32 does not divide the 20 channels" in text
    assert "ghost_batch" in text


def test_footnotes_say_why_and_how_far_off(capsys: pytest.CaptureFixture[str]) -> None:
    """For the reasons of the numbers that are shown, and for no others; and for numbers without a mark."""
    print_signal(predict_signal(elaborate(load("mlp_norm"))), None, console())
    text = capsys.readouterr().out
    assert "in measured networks of 11 to 30 layers with weights" in text
    assert "no mark: the law for wide layers; values within a factor of 1.02 in 90 %" in text
    assert "~ narrow: layers are narrow" in text
    assert "~ window" not in text
    assert "not measured" not in text


def test_choices_are_marked_as_rows_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A gradient through narrow batch norms is an estimate in both tables; what fits the law is none."""
    choices = compare_choices(load("mlp_norm"), "norm")
    batch = next(choice for choice in choices if choice.word == "batch")
    assert batch.gradient_doubts == ("narrow",)
    assert not batch.largest_doubts or "narrow" in batch.largest_doubts
    print_choices("norm", choices, console())
    text = capsys.readouterr().out
    assert f"~{batch.gradient:.4g}" in text
    assert "~ narrow: layers are narrow" in text
