"""Outputs have names, and are computed in evaluation mode."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archspec.errors import ArchspecError
from runtime.data.dataset import Dataset
from runtime.training.module_outputs import evaluate_module, last_of, name_outputs, run_images
from tests.support.models import make_data
from tests.support.training import Wrapped, make_net


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_data()


def test_evaluation_is_in_evaluation_mode_and_goes_back(data: Dataset) -> None:
    net = make_net()
    net.train()
    net[1].eval()  # frozen by its owner
    logits = evaluate_module(net, data.held_out, batch=5)["output"]
    assert logits.dtype == np.float32
    assert np.allclose(logits, evaluate_module(net, data.held_out)["output"], atol=1e-5)
    assert [part.training for part in net] == [True, False, True, True, True, True]


def test_the_outputs_are_those_that_the_module_itself_gives(data: Dataset) -> None:
    net = make_net().eval()
    with torch.no_grad():
        expected = net(torch.from_numpy(data.held_out.images))
    assert torch.allclose(torch.from_numpy(evaluate_module(net, data.held_out, batch=7)["output"]), expected, atol=1e-6)
    assert torch.equal(run_images(net, data.held_out.images, data)["output"], expected)
    assert not torch.allclose(
        torch.from_numpy(evaluate_module(make_net(1), data.held_out)["output"]), expected, atol=1e-3
    )


def test_outputs_have_names() -> None:
    a, b = torch.zeros(1), torch.ones(1)
    assert name_outputs(a) == {"output": a}
    assert name_outputs({"x": a, "y": b}) == {"x": a, "y": b}
    assert last_of({"x": a, "y": b}) is b
    for found, message in (({}, "an empty dict"), ([a], "a list"), ({"x": [a]}, "the output 'x' is a list, no tensor")):
        with pytest.raises(ArchspecError, match=message):
            name_outputs(found)


def test_images_that_the_module_does_not_take_are_named(data: Dataset) -> None:
    with pytest.raises(ArchspecError, match=r"does not take rows's images of shape \(1, 4, 4\): "):
        run_images(Wrapped(lambda y: y), np.zeros((2, 1, 5, 5), np.float32), data)
