"""Levels of an encoder and a decoder, one by one."""

from __future__ import annotations

from pathlib import Path

from tests.support.drawings import draw_body


def test_levels_are_drawn_one_by_one(tmp_path: Path) -> None:
    body = "[encoder_decoder: {each: {w: [4, 8]}, encoder: [conv: w], down: [max_pool: 2], up: [upsample: 2]}]"
    labels = draw_body(body, tmp_path)
    assert labels.count("conv 3×3, w") == labels.count("max_pool 2×2") == labels.count("upsample ×2") == 2
    assert {"w = 4", "w = 8"} <= set(labels)
