"""A spec takes the images of a data set, or the params with which it would are named."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import archspec
from archspec.errors import ArchspecError
from runtime.data.dataset import ArraySamples, Dataset
from runtime.data.opening import open_data
from runtime.data.registry import load_data
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.data import DataSection
from runtime.training.fitting import FittingKeywords, fit_network, fit_params, fit_spec
from tests.support.folders import draw_pixels, write_class_folders


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
        fit_spec(spec, load_data("digits"))
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
    with pytest.raises(ArchspecError, match=r"takes 1×16×8; the images of digits are 1×8×8: take --size H=8$"):
        fit_spec(spec, data, sizes={"H": 16}, max_nodes=None)


def test_what_is_handed_on_is_what_fit_spec_takes() -> None:
    taken = inspect.signature(fit_spec).parameters.values()
    assert [one.name for one in taken if one.kind is one.KEYWORD_ONLY] == list(FittingKeywords.__annotations__)


def make_data(
    shape: tuple[int, ...], classes: int = 3, task: str = "labels", section: DataSection | None = None
) -> Dataset:
    """Images of one shape, prepared at it or at the section's size."""
    samples = ArraySamples(draw_pixels((4, *shape)), np.zeros(4, np.int64))
    size = tuple(section.size) if section and section.size else shape[1:]
    preprocess = Preprocess(shape[0], size, (0.5,) * shape[0], (0.2,) * shape[0])
    return Dataset("DIR", samples, samples, tuple(map(str, range(classes))), preprocess, task)


def test_channels_and_classes_are_those_of_the_data_and_that_is_said() -> None:
    data = make_data((1, 32, 32), 5, "maps")
    fitted = fit_network(archspec.load("unet_bn"), data)
    assert fitted.said == ("channels = 1 (from DIR)", "classes = 5 (from DIR)")
    assert [node.shape for node in fitted.graph.inputs.values()] == [(1, 32, 32)]
    assert [fitted.graph[id].shape for id in fitted.graph.outputs.values()] == [(5, 32, 32)]
    assert fitted.spec.params["classes"] == 5
    again = fit_network(fitted.spec, data)
    assert (again.said, again.graph.digest()) == ((), fitted.graph.digest())


def test_what_a_caller_set_stays() -> None:
    data = make_data((1, 32, 32), 5, "maps")
    assert fit_params(archspec.load("unet_bn", {"classes": 7, "channels": 3}), data) == {}
    fitted = fit_network(archspec.load("unet_bn", {"classes": 7, "channels": 3}), data)
    assert fitted.said == ("the images of DIR have 1 channel, and become 3 equal channels",)
    assert fitted.data.preprocess.shape == (3, 32, 32)


def test_joints_have_params_of_their_own() -> None:
    data = make_data((3, 64, 64), 5, "joints")
    assert fit_params(archspec.load("hourglass1"), data) == {"joints": 5}
    assert fit_params(archspec.load("unet_bn"), data) == {"classes": 5}


def test_a_network_of_colours_takes_gray_as_equal_channels(tmp_path: Path) -> None:
    data = open_data(write_class_folders(tmp_path, {"a": 5, "b": 5}, (32, 32)))
    fitted = fit_network(archspec.load("resnet20"), data)
    assert fitted.said == (
        f"classes = 2 (from {tmp_path})",
        f"the images of {tmp_path} have 1 channel, and become 3 equal channels",
    )
    assert fitted.data.held_out.images.shape == (2, 3, 32, 32)


@pytest.mark.parametrize(
    ("own", "task", "section", "wanted"),
    [
        ((64, 64), "labels", None, (64, 64)),
        ((500, 333), "labels", None, (224, 224)),
        ((100, 300), "labels", None, (224, 224)),
        ((500, 333), "labels", DataSection(size=[300, 320]), (300, 320)),
        ((32, 32), "labels", None, (32, 32)),
    ],
)
def test_large_images_are_brought_to_the_size_that_a_network_is_written_for(
    own: tuple[int, int], task: str, section: DataSection | None, wanted: tuple[int, int]
) -> None:
    data = make_data((3, *own), task=task, section=section)
    fitted = fit_network(archspec.load("resnet18"), data, section)
    assert fitted.data.preprocess.size == wanted
    told = any("are brought from" in line for line in fitted.said)
    assert told == (data.preprocess.size != wanted)


def test_who_says_no_size_is_told_the_options_that_take_the_images_as_they_are() -> None:
    spec, data = archspec.load("resnet_digits"), make_data((1, 28, 28), 10)
    told = (
        "the images of DIR are brought from 28×28 (height × width) to 8×8 "
        "(data.resize: exact; --size H=28 --size W=28 takes 28×28)"
    )
    assert fit_network(spec, data).said == (told,)
    assert fit_network(spec, data, sizes={"H": 28, "W": 28}).said == ()
    (said,) = fit_network(spec, data, sizes={"H": 16, "W": 16}).said
    assert said.endswith("to 16×16 (data.resize: exact)")


def test_maps_are_made_at_the_images_size_or_the_nearest_that_fits() -> None:
    for own, wanted in (
        ((600, 400), (604, 396)),
        ((572, 572), (572, 572)),
        ((9, 9), (188, 188)),
    ):  # no option takes those
        fitted = fit_network(archspec.load("unet", {"widths": [2, 2, 2, 2]}), make_data((1, *own), 2, "maps"))
        assert fitted.data.preprocess.size == wanted
        assert not any("--size" in line for line in fitted.said), "none takes the others"
        assert [node.shape for node in fitted.graph.inputs.values()] == [(1, *wanted)]
    with pytest.raises(ArchspecError):
        fit_network(archspec.load("unet"), make_data((1, 600, 400), 2, "maps"), sizes={"H": 600})


def test_a_size_that_is_a_param_is_the_specs_unless_the_recipe_says_one(tmp_path: Path) -> None:
    head = "params: {channels: 3, side: 9, classes: 10}\ninputs: {x: [channels, side, side]}"
    layers = "[{conv: 4}, global_avg_pool, flatten, {linear: '{classes}'}]".replace("'{classes}'", "classes")
    (tmp_path / "net.yaml").write_text(f"archspec: 1\n{head}\nnetwork: {layers}\n", encoding="utf-8")
    spec = archspec.load(tmp_path / "net.yaml")
    fitted = fit_network(spec, make_data((1, 8, 8)))
    assert fitted.data.preprocess.shape == (1, 9, 9)
    assert fitted.said[-1].endswith("from 8×8 (height × width) to 9×9 (data.resize: exact; --set side=8 takes 8×8)")
    section = DataSection(size=[12])
    fitted = fit_network(spec, make_data((1, 8, 8), section=DataSection(size=[12, 12])), section)
    assert fitted.data.preprocess.shape == (1, 12, 12)
    assert "side = 12 (from DIR)" in fitted.said


def test_images_that_a_network_cannot_take_are_refused() -> None:
    with pytest.raises(ArchspecError, match="residual_mlp takes 100; the images of DIR are 3×8×8: choose another spec"):
        fit_network(archspec.load("residual_mlp"), make_data((3, 8, 8)))
    with pytest.raises(ArchspecError, match="the images of DIR are 2×8×8: choose another spec"):
        fit_network(archspec.load("resnet_digits"), make_data((2, 8, 8)))


def test_imagenets_mean_is_of_three_channels() -> None:
    section = DataSection(normalize="imagenet")
    with pytest.raises(ArchspecError, match="imagenet is of three channels, and resnet_digits takes 1: leave it out"):
        fit_network(archspec.load("resnet_digits"), make_data((1, 8, 8)), section)
    gray = fit_network(archspec.load("resnet20"), make_data((1, 32, 32)), section).data.preprocess
    assert gray.mean == (0.485, 0.456, 0.406), "gray images that become colour get it: the control"
