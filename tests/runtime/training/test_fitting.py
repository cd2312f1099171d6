"""A spec takes the images of a data set, or the params with which it would are named."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import archspec
from archspec.errors import ArchspecError
from runtime.data.registry import load_data
from runtime.training.fitting import FittingKeywords, fit_spec


@pytest.mark.parametrize(
    ("head", "advice"),
    [
        ("params: {channels: 3}\ninputs: {x: [channels, H, W]}", "take --set channels=1"),
        ("params: {channels: 3, side: 9}\ninputs: {x: [channels, side, side]}", "take --set channels=1 --set side=8"),
        ("inputs: {x: [3, H, W]}", "choose another spec, or change its `inputs`"),
        ("params: {c: 3}\ninputs: {x: [c * 2, H, W]}", "choose another spec, or change its `inputs`"),
    ],
)
def test_the_params_that_fit_the_images_are_named(head: str, advice: str, tmp_path: Path) -> None:
    layers = "[{conv: 4}, global_avg_pool, flatten, {linear: 10}]"
    (tmp_path / "net.yaml").write_text(f"archspec: 1\n{head}\nnetwork: {layers}\n", encoding="utf-8")
    spec = archspec.load(tmp_path / "net.yaml")
    with pytest.raises(ArchspecError, match=f"the images of digits are 1×8×8: {re.escape(advice)}$"):
        archspec.train(spec, "digits", folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    params = {name: int(value) for name, value in re.findall(r"--set (\w+)=(\d+)", advice)}
    if params:
        sizes = {} if "side" in params else {"H": 8, "W": 8}
        fitting = archspec.elaborate(archspec.load(tmp_path / "net.yaml", params), sizes)
        assert [node.shape for node in fitting.inputs.values()] == [(1, 8, 8)]


def test_dynamic_sizes_are_those_of_the_images_unless_given() -> None:
    spec, data = archspec.load("resnet_digits"), load_data("digits")
    fitted, graph = fit_spec(archspec.load("unet_bn", {"channels": 1, "widths": [4]}), data)
    assert dict(fitted.sizes) == {"H": 8, "W": 8}
    assert [node.shape for node in graph.inputs.values()] == [(1, 8, 8)]
    with pytest.raises(ArchspecError, match="resnet_digits takes 1×16×8; the images of digits are 1×8×8: choose"):
        fit_spec(spec, data, sizes={"H": 16}, max_nodes=None)


def test_what_is_handed_on_is_what_fit_spec_takes() -> None:
    taken = inspect.signature(fit_spec).parameters.values()
    assert [one.name for one in taken if one.kind is one.KEYWORD_ONLY] == list(FittingKeywords.__annotations__)
