"""What holds for a while, and that all is as before afterwards, also after an exception."""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch
from torch import nn

from archspec.errors import ArchspecError
from compiler.torch_target.modes import device_of, evaluating, limited_to, unaffected


def test_each_submodule_returns_to_its_own_mode() -> None:
    module = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(3)).train()
    module[1].eval()  # frozen
    with suppress(ZeroDivisionError), evaluating(module):
        assert not any(part.training for part in module.modules())
        assert not torch.is_grad_enabled()
        raise ZeroDivisionError
    assert [part.training for part in module.modules()] == [True, True, False]
    assert torch.is_grad_enabled()


def test_a_callers_settings_of_torch_are_out_of_sight() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        with torch.autocast("cpu"), torch.inference_mode():
            with unaffected():
                assert torch.get_default_dtype() == torch.float32
                assert not torch.is_autocast_enabled("cpu")
                assert not torch.is_inference_mode_enabled()
            assert torch.get_default_dtype() == torch.float64
            assert torch.is_inference_mode_enabled()
    finally:
        torch.set_default_dtype(torch.float32)


def test_threads_are_limited_for_a_while() -> None:
    before = torch.get_num_threads()
    with limited_to(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with limited_to(None):
        assert torch.get_num_threads() == before
    with pytest.raises(ArchspecError, match="threads must be at least 1, found 0"), limited_to(0):
        pass


def test_a_module_without_weights_is_on_the_cpu() -> None:
    assert device_of(nn.ReLU()) == torch.device("cpu")
    assert device_of(nn.Linear(2, 2, device="meta")) == torch.device("meta")
