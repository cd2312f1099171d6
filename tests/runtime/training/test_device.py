"""A device is one that torch has."""

from __future__ import annotations

import pytest
import torch

from archspec.errors import InputError
from runtime.training.device import find_device


def test_without_a_word_it_is_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert find_device() == torch.device(expected)


def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("cuda:1") == torch.device("cuda", 1)
    assert find_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="there is no device cuda:2: torch sees 2 GPUs"):
        find_device("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="there is no device cuda: torch sees 0 GPUs"):
        find_device("cuda")


@pytest.mark.parametrize("word", ["gpu", "meta", "", "cuda:x"])
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(InputError, match="a device is cpu, cuda, or cuda:NUMBER"):
        find_device(word)
