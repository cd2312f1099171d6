"""What torch.compile needs is asked for before it begins, and where it fails is told in one line."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archspec.errors import InputError
from runtime.training import compiling
from runtime.training.compiling import compile_module, telling_of_compiler
from runtime.training.train import train
from tests.support.models import make_data
from tests.support.training import QUICK, change, make_net


def test_without_a_compiler_it_is_refused_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "find_compiler", lambda: None)
    with pytest.raises(InputError, match=r"needs a C\+\+ compiler, and there is none \(g\+\+"):
        train(make_net(), make_data(), change(QUICK, compile=True))


def test_a_compiled_form_has_the_same_weights_and_says_that_it_takes_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Compiled by torch's own stand-in, which changes nothing."""
    monkeypatch.setattr(compiling, "BACKEND", "eager")
    monkeypatch.setattr(compiling, "find_compiler", lambda: "/usr/bin/g++")
    net = make_net().eval()
    compiled, images = compile_module(net), torch.randn(2, 1, 4, 4)
    assert torch.equal(compiled(images), net(images))
    assert [id(weight) for weight in compiled.parameters()] == [id(weight) for weight in net.parameters()]
    assert "the first step takes from half a minute to several" in caplog.messages[0]


def test_a_training_steps_through_the_compiled_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights as without, since the stand-in computes the same; the form is called at each step."""
    monkeypatch.setattr(compiling, "BACKEND", "eager")
    monkeypatch.setattr(compiling, "find_compiler", lambda: "/usr/bin/g++")
    recipe = change(QUICK, epochs=1)
    torch.manual_seed(0)
    first = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    torch.manual_seed(0)
    second = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    expected = train(first, make_data(), recipe).state
    found = train(second, make_data(), change(recipe, compile=True)).state
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_failure_of_the_compiler_is_told_in_a_line() -> None:
    from torch._dynamo.exc import TorchDynamoException

    told = r"torch.compile cannot compile this network \(no kernel\): leave compile out"
    with pytest.raises(InputError, match=told), telling_of_compiler():
        raise TorchDynamoException("\n  no kernel\nmore")
    with pytest.raises(ZeroDivisionError), telling_of_compiler():
        raise ZeroDivisionError
