"""The sections of a recipe that speak of images."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.errors import InputError
from runtime.recipes.data import AugmentSection, DataSection


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fold": "6/5"}, "has `fold: 6/5`: in K/N, K is from 1 to N, and N from 2 on"),
        ({"fold": "1/1"}, "has `fold: 1/1`"),
        ({"fold": "0/5"}, "should be a part of several as K/N, such as '2/5', or null, found '0/5'"),
        ({"fold": 2}, "such as '2/5', or null, found 2"),
        ({"test": 0.5, "validation": 0.5}, "holds out 0.5 as `test` and 0.5 as `validation`: nothing is left"),
        ({"window": [1, 0]}, "has `window: [1, 0]`: write the least first"),
        ({"window": "all"}, "should be `measured`, `each`, or a list of two numbers, found 'all'"),
        ({"size": [1, 2, 3, 4]}, "`size` of DataSection(…) should have at most 3 items"),
        ({"resize": "crop"}, "should be 'exact', 'shorter', 'letterbox' or 'none', found 'crop'"),
    ],
)
def test_data_that_cannot_be_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        DataSection(**given)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"zoom": [1.2, 0.8]}, "has `zoom: [1.2, 0.8]`: write the least first"),
        ({"ratio": [0.5, 2]}, "has `ratio`, which is RandomResizedCrop's: write its `scale` too"),
        ({"scale": [0.5, 1.5]}, "should be at most 1, found 1.5"),
        ({"hue": 0.6}, "should be at most 0.5, found 0.6"),
        ({"flip": True}, "found true"),
    ],
)
def test_variations_that_cannot_be_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        AugmentSection(**given)
    assert words in str(error.value)


def test_the_ends_of_ranges_are_taken() -> None:
    assert DataSection(fold="5/5", test=0.0, validation=0.999, size=[1]).fold == "5/5"
    assert AugmentSection(zoom=[1.0, 1.0], scale=[0.1, 1], ratio=[1, 1], rotate=180).rotate == 180
