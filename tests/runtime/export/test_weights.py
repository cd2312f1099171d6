"""What weights of a file remember of their training, and whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.api import load
from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import PREPROCESS
from runtime.export.weights import find_trained_sizes
from runtime.pictures.preprocess import Preprocess

FACTS: dict[str, str] = {PREPROCESS: Preprocess(1, (96, 128), (0.5,), (0.5,)).to_json()}


@pytest.mark.parametrize(
    ("head", "sizes"),
    [
        ("inputs: {x: [1, H, W]}\nsizes: {H: 256, W: 256}", {"H": 96, "W": 128}),
        ("inputs: {x: [1, H, W]}\nsizes: {H: 96, W: 256}", {"W": 128}),
        ("inputs: {x: [1, H, W]}", {"H": 96, "W": 128}),
        ("inputs: {x: [1, 256, W]}\nsizes: {W: 128}", {}),
        ("inputs: {x: [1, S, S]}\nsizes: {S: 64}", {}),
        ("inputs: {x: [1, D, H, W]}\nsizes: {D: 8, H: 8, W: 8}", {}),
        ("inputs: {x: [1, H, W], y: [1, H, W]}\nsizes: {H: 8, W: 8}", {}),
        ("inputs: {x: [5]}", {}),
    ],
)
def test_sizes_of_training_are_those_of_the_image_axes(head: str, sizes: dict[str, int], tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(f"archspec: 1\n{head}\nnetwork: [relu]\n", encoding="utf-8")
    spec = load(tmp_path / "net.yaml")
    assert find_trained_sizes(spec, FACTS) == sizes
    assert find_trained_sizes(spec, {}) == {}


def test_a_size_of_training_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("archspec: 1\ninputs: {x: [1, H, W]}\nnetwork: [relu]\n", encoding="utf-8")
    for text in ("{}", "no", FACTS[PREPROCESS].replace("128", "-1"), FACTS[PREPROCESS].replace("128", "1e9")):
        with pytest.raises(ArchspecError):
            find_trained_sizes(load(tmp_path / "net.yaml"), {PREPROCESS: text})
