"""The words of a command are handed on to several processes; how these end is seen in test_distributed."""

from __future__ import annotations

import pytest

from archspec.errors import RuntimeFailure
from runtime.training.launching import launch, strip_words


def test_words_of_the_command_are_taken_out() -> None:
    words = ["train", "net", "-o", "a b", "--processes=2", "--output=x", "--seed", "1"]
    assert strip_words(words, {"-o": 1, "--output": 1, "--processes": 1}) == ["train", "net", "--seed", "1"]


@pytest.mark.slow
def test_a_mistake_of_every_process_ends_them_all() -> None:
    """Each starts anew as often as it may, which takes a while."""
    with pytest.raises(RuntimeFailure, match="of 2 ended with exit code 2, also when all were started anew"):
        launch(["train", "no_such_spec", "--data", "digits"], 2, 1)
