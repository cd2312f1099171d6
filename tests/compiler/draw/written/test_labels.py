"""What is written on boxes of a body: the spec's own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.drawings import draw_body


def test_labels_are_the_words_of_the_spec(tmp_path: Path) -> None:
    body = "[conv: {out: 2 * width, stride: step}, norm, relu, max_pool: 2, scale: 0.5, linear: width]"
    labels = draw_body(body.replace(", linear: width", ""), tmp_path, "params: {width: 8, step: 2}")
    assert labels == ["net", "conv 3×3, 2 * width, /step", "norm", "relu", "max_pool 2×2", "× 0.5"]


def test_defaults_are_told(tmp_path: Path) -> None:
    head = "defaults: {conv: {kernel: 5, groups: 2}, norm: {kind: group, groups: 4}}"
    assert draw_body("[conv: 8, norm]", tmp_path, head) == ["net", "conv 5×5, 8, groups = 2", "norm (group)"]
    assert draw_body("[conv: 8, norm]", tmp_path, "defaults: {norm: {kind: none}}") == ["net", "conv 3×3, 8"]


def test_what_is_taken_of_a_value_is_told(tmp_path: Path) -> None:
    body = "[slice: {start: half}, reduce: {over: positions, by: max}, layer_norm: {over: channels}]"
    assert draw_body(body, tmp_path, "params: {half: 8}") == [
        *("net", "slice, start = half", "reduce, over = positions, by = max", "layer_norm")
    ]


def test_an_activation_says_its_kind(tmp_path: Path) -> None:
    assert draw_body("[conv: 8, activation]", tmp_path) == ["net", "conv 3×3, 8", "activation"]
    chosen = "defaults: {activation: {kind: hard_swish}}"
    assert draw_body("[activation]", tmp_path, chosen) == ["net", "activation (hard swish)"]
    assert draw_body("[conv: 8, activation: none]", tmp_path) == ["net", "conv 3×3, 8"]


def test_loops_say_how_often_they_run(tmp_path: Path) -> None:
    assert draw_body("[repeat: {n: 2 * 3, body: [relu]}]", tmp_path) == ["net", "× (2 * 3)", "relu"]
    assert draw_body("[repeat: {n: 0, body: [relu]}, gelu]", tmp_path) == ["net", "gelu"]
    body = "[repeat: {each: {width: [4, 8]}, as: k, body: [when: {test: k > 0, then: [relu]}, conv: width]}]"
    assert set(draw_body(body, tmp_path)) == {
        "net",
        "relu",
        "if k > 0",
        "conv 3×3, width",
        "× for each",
        "width: [4, 8]",
    }


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ("scale: 0.5", {"× 0.5"}),
        ("scaling: skip_init", {"× learned, from 0"}),
        ("scaling: sqrt_half", {"× 1/√2"}),
        ("survival: 0.5, decay: linear", {"stochastic_depth 0.5, linear decay"}),
        ("survival: 0.5, drop: shake", {"shake_drop 0.5"}),
    ],
)
def test_factors_of_a_residual_are_told(fields: str, labels: set[str], tmp_path: Path) -> None:
    assert set(draw_body(f"[residual: {{body: [conv: 16], {fields}}}]", tmp_path)) == {"net", "conv 3×3, 16", *labels}
