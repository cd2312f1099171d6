"""The sections of a recipe that speak of what is learned."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.errors import InputError
from runtime.recipes.objective import LossSection, MixSection


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "ce"}, "found 'ce'; here it is 'cross_entropy'"),
        ({"class_weights": [1, 0]}, "a list with a positive number for each class, or null, found a list"),
        ({"class_weights": "balance"}, "should be `none`, `balanced`"),
        ({"outputs": {"a": -1}}, "a number from 0 on for each output by its name"),
        ({"outputs": {}}, "should be `equal`, `halving`"),
        ({"gamma": 1.0}, "has `gamma`, which is the power of the focal loss: write `name: focal` too"),
        ({"label_smoothing": 1}, "should be below 1, found 1"),
    ],
)
def test_losses_that_cannot_be_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        LossSection(**given)
    assert words in str(error.value)


def test_what_is_meant_is_taken() -> None:
    assert LossSection(name="focal", gamma=1.0).gamma == 1.0
    assert LossSection(class_weights=[1, 2.5]).class_weights == [1.0, 2.5]
    assert LossSection(outputs={"a": 1, "b": 0}).outputs == {"a": 1.0, "b": 0.0}
    with pytest.raises(InputError, match="`mixup` of MixSection"):
        MixSection(mixup=-1)
