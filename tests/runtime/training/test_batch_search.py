"""The batch that is found is the largest power of two that fits."""

from __future__ import annotations

import pytest
import torch

from archspec.api import elaborate, largest_batch, load
from archspec.errors import InputError
from runtime.recipes.recipe import Recipe
from runtime.training import batch_search
from runtime.training.batch_search import find_batch, fits_gpu, fits_memory, tell_bound


@pytest.mark.parametrize(
    ("most", "samples", "accumulate", "expected"),
    [
        (100, 10**6, 1, 64),
        (64, 10**6, 1, 64),
        (10**9, 10**6, 1, 1024),
        (10**9, 100, 1, 8),
        (5, 10**6, 3, 12),
        (1, 3, 1, 1),
    ],
)
def test_powers_of_two_are_tried_from_one_on(most: int, samples: int, accumulate: int, expected: int) -> None:
    tried: list[int] = []

    def fits(batch: int) -> bool:
        tried.append(batch)
        return batch <= most

    assert find_batch(Recipe(batch=12, accumulate=accumulate), samples, fits) == expected
    assert tried == [2**power for power in range(len(tried))]


@pytest.mark.parametrize(
    ("batch", "samples", "told"),
    [
        (1024, 10**6, "more than 1,024 are not tried"),
        (768, 10**6, "more than 1,024 are not tried"),
        (2, 18, "an epoch of 18 images is to have 8 steps"),
        (64, 10**6, "twice as many do not fit the memory"),
    ],
)
def test_what_bounds_a_batch_is_told(batch: int, samples: int, told: str) -> None:
    assert tell_bound(batch, samples) == told


def test_where_nothing_fits_that_is_said() -> None:
    with pytest.raises(InputError, match="not even one image fits"):
        find_batch(Recipe(), 100, lambda batch: False)


def test_the_estimate_is_that_of_analyze(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, free = elaborate(load("resnet_digits"), {"H": 8, "W": 8}), 1 << 28
    monkeypatch.setattr(batch_search, "read_free_memory", lambda: free)
    most = largest_batch(graph, free // 2, precision="fp32", optimizer="momentum")
    fits = fits_memory(graph, Recipe())
    assert fits(most)
    assert not fits(most + 1)
    adam = fits_memory(graph, Recipe.model_validate({"optimizer": {"name": "adamw"}}))
    assert adam(largest_batch(graph, free // 2, precision="fp32", optimizer="adam"))
    monkeypatch.setattr(batch_search, "read_free_memory", lambda: 1000)
    with pytest.raises(InputError, match=r"with one image takes more than half of the .* that are left"):
        fits_memory(graph, Recipe())
    monkeypatch.setattr(batch_search, "read_free_memory", lambda: None)
    with pytest.raises(InputError, match="does not say how much memory is left"):
        fits_memory(graph, Recipe())


def test_a_gpu_is_tried() -> None:
    def step(batch: int) -> None:
        if batch > 16:
            raise torch.cuda.OutOfMemoryError

    assert find_batch(Recipe(), 10**6, fits_gpu(step)) == 16
