"""What a file says of preprocessing is read whole or refused, and what it means is what it did before."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.arrays import Array
from archspec.errors import ArchspecError
from runtime.pictures.preprocess import LEVELS, Preprocess

GRAY = Preprocess(1, (4, 6), (0.25,), (0.5,))
COLOR = Preprocess(3, (4, 6), (0.1, 0.2, 0.3), (1.0, 0.5, 2.0))


FIVE = {"channels", "height", "width", "mean", "std"}
"""The keys that files have had from the beginning."""


def test_json_round_trip() -> None:
    assert Preprocess.from_json(COLOR.to_json()) == COLOR
    assert json.loads(GRAY.to_json()) == {"channels": 1, "height": 4, "width": 6, "mean": [0.25], "std": [0.5]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chanels": 1}, "unknown key 'chanels'; did you mean 'channels'"),
        ({"std": None}, "'std' must be a list"),
        ({"height": 0}, "'height' must be between 1 and"),
        ({"height": True}, "'height' must be an integer, found true"),
        ({"width": 4.0}, "'width' must be an integer, found a number"),
        ({"mean": [0.1, 0.2]}, "'mean' needs 1 values, found 2"),
        ({"mean": ["0"]}, "'mean' must be a number, found a string"),
        ({"std": [0]}, "'std' must be positive"),
        ({"std": [-1.0]}, "'std' must be positive"),
        ({"mean": [10**400]}, "'mean' must be finite"),
        ({"height": 32768, "width": 32768}, "an input of 1×32768×32768 has more than 67,108,864 numbers"),
        ({"std": [1e-300]}, "make numbers that float32 cannot hold"),
        ({"mean": [1e300]}, "make numbers that float32 cannot hold"),
        ({"scale": 255, "std": [1e-37]}, "make numbers that float32 cannot hold"),
        ({"size": [4, 6]}, "unknown key 'height'"),
        ({"resize": "longer"}, "'resize' is no 'longer'.*known: exact, shorter, letterbox, none"),
        ({"resize": "leterbox"}, "did you mean 'letterbox'"),
        ({"resize": 1}, "'resize' must be one of exact, shorter, letterbox, none, found 1"),
        ({"resize": ["exact"]}, "'resize' must be one of"),
        ({"resize": "shorter", "resize_to": 5}, "'resize_to' is 5, less than the 6 that are cut out"),
        ({"resize": "shorter", "resize_to": 40000}, "'resize_to' must be between 1 and 32768"),
        ({"resize": "shorter", "resize_to": 7.5}, "'resize_to' must be an integer"),
        (
            {"resize": "none", "resize_to": 8},
            '\'resize_to\' is read by "resize": "shorter" or "exact" alone, found "none"',
        ),
        ({"resize_to": 5}, "'resize_to' is 5, less than the 6 that are cut out"),
        ({"fill": [0.5]}, '\'fill\' is read by "resize": "letterbox" alone'),
        ({"resize": "letterbox", "fill": [1.5]}, r"'fill' must lie in \[0, 1\]"),
        ({"resize": "letterbox", "fill": [0.5, 0.5]}, "'fill' needs 1 values, found 2"),
        ({"resize": "letterbox", "fill": 0.5}, "'fill' must be a list"),
        ({"interpolation": "cubic"}, "'interpolation' is no 'cubic'; did you mean 'bicubic'"),
        ({"order": "bgr"}, "'order' is of three channels, and there are 1"),
        ({"order": None}, "'order' must be one of rgb, bgr"),
        ({"scale": 2}, "'scale' must be 1 or 255, found 2"),
        ({"scale": True}, "'scale' must be 1 or 255, found True"),
        ({"scale": "255"}, "'scale' must be 1 or 255, found '255'"),
        ({"scale": [255]}, "'scale' must be 1 or 255, found a value of type list"),
        ({"spacing": [1, 1]}, '\'spacing\' is read by "resize": "none" alone'),
        ({"resize": "none", "spacing": [1]}, "'spacing' needs 2 values"),
        ({"resize": "none", "spacing": [0, 1]}, "'spacing' must be positive"),
    ],
)
def test_malformed_preprocessing_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        Preprocess.from_json(json.dumps(json.loads(GRAY.to_json()) | change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object, found a list"),
        ("{}", "lacks the key 'channels'"),
        ('{"mean": [NaN]}', "NaN is no JSON number"),
        ('{"mean": [1e999], "channels": 1, "height": 1, "width": 1, "std": [1]}', "must be finite"),
        ('{"mean": 1, "mean": 2}', "'mean' stands twice"),
        ("[" * 100_000, "nested too deeply|not valid JSON"),
        ("1" * 5000, "not valid JSON"),
    ],
)
def test_malformed_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        Preprocess.from_json(text)


@pytest.mark.parametrize("size", [[], [1, 2, 3, 4], [0, 1, 1], [1.0], ["1"], [[1]], [1 << 15] * 3, {"a": 1}, None, 8])
def test_malformed_extents_are_refused(size: Any) -> None:
    with pytest.raises(ArchspecError, match=r"preprocessing: (an input of .* has more than|'size')"):
        Preprocess.from_json(json.dumps({"channels": 1, "size": size, "mean": [0], "std": [1]}))


def list_fields() -> st.SearchStrategy[dict[str, Any]]:
    """The fields of any preprocessing of two axes or another number of them."""

    def build(axes: int, channels: int) -> st.SearchStrategy[dict[str, Any]]:
        floats, shares = st.floats(-1, 1), st.floats(0, 1)
        base = {
            "channels": st.just(channels),
            "size": st.tuples(*[st.integers(1, 9)] * axes),
            "mean": st.tuples(*[floats] * channels),
            "std": st.tuples(*[st.floats(0.125, 2)] * channels),
            "interpolation": st.sampled_from(["bilinear", "bicubic", "nearest"]),
            "order": st.sampled_from(["rgb", "bgr"] if channels == 3 else ["rgb"]),
            "scale": st.sampled_from([1, 255]),
        }
        return st.one_of(
            st.fixed_dictionaries(base),
            st.fixed_dictionaries(base | {"resize": st.just("shorter"), "resize_to": st.integers(9, 20) | st.none()}),
            st.fixed_dictionaries(
                base | {"resize": st.just("letterbox"), "fill": st.tuples(*[shares] * channels) | st.none()}
            ),
            st.fixed_dictionaries(
                base | {"resize": st.just("none"), "spacing": st.tuples(*[st.floats(0.5, 3)] * axes) | st.none()}
            ),
        )

    return st.tuples(st.integers(1, 3), st.integers(1, 4)).flatmap(lambda pair: build(*pair))


@given(list_fields())
def test_what_is_written_is_read_and_only_what_is_not_usual_is_written(given: dict[str, Any]) -> None:
    preprocess = Preprocess(**given)
    text = preprocess.to_json()
    assert Preprocess.from_json(text) == preprocess
    said = json.loads(text)
    usual = {"resize": "exact", "interpolation": "bilinear", "order": "rgb", "scale": 1, "spacing": None}
    plain = len(preprocess.size) == 2 and all(getattr(preprocess, name) == value for name, value in usual.items())
    assert (set(said) == FIVE) == plain
    assert not any(name in said and said[name] == value for name, value in usual.items())


@given(list_fields(), st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]), st.integers(0, 99))
def test_normalizing_is_undone_and_levels_are_shares_of_white(
    given: dict[str, Any], dtype: type[np.generic], seed: int
) -> None:
    preprocess = Preprocess(**given)
    values = np.random.default_rng(seed).random((2, *preprocess.shape))
    whole = LEVELS.get(np.dtype(dtype), 1)
    stored: Array = np.rint(values * whole).astype(dtype) if whole > 1 else values.astype(dtype)
    found = preprocess.normalize(stored)
    shares = stored.astype(np.float64) / whole
    assert found.dtype == np.float32
    assert np.array_equal(found, preprocess.normalize(shares))
    assert np.abs(preprocess.restore(found) - shares).max() < 1e-5
    for channel in range(preprocess.channels):
        read = preprocess.channels - 1 - channel if preprocess.order == "bgr" else channel
        wanted = (shares[:, read] * preprocess.scale - preprocess.mean[channel]) / preprocess.std[channel]
        assert np.allclose(found[:, channel], wanted, rtol=1e-6, atol=1e-6)
    lowest, highest = preprocess.find_bounds()
    extremes = [preprocess.normalize(np.full(preprocess.shape, end)) for end in (0.0, 1.0)]
    assert all(np.all(bound == extreme.T) for extreme, bound in zip(extremes, (lowest, highest), strict=True))


def test_a_fill_that_nobody_states_is_the_mean() -> None:
    for scale in (1, 255):
        mean = tuple(scale * value for value in (0.25, 0.5, -0.1))
        boxed = Preprocess(3, (4, 6), mean, (1, 1, 1), resize="letterbox", scale=scale)
        assert boxed.fill == (0.25, 0.5, 0.0)
        assert json.loads(boxed.to_json())["fill"] == [0.25, 0.5, 0.0]


@pytest.mark.filterwarnings("error")
def test_restoring_is_silent_whatever_the_numbers() -> None:
    wide = Preprocess(1, (1, 1), (0.0,), (1e300,))
    assert np.isinf(wide.restore(np.full((1, 1, 1), 1e30, np.float32))).all()


VOLUME = {"channels": 2, "size": [4, 5, 6], "mean": [0.0, 0.5], "std": [1.0, 0.25], "resize": "none"}
"""What a file says of volumes."""


@pytest.mark.parametrize("window", ["each", [[-100, 240], [0.5, 7]]])
def test_windows_round_trip(window: Any) -> None:
    found = Preprocess.from_json(json.dumps(VOLUME | {"window": window}))
    assert Preprocess.from_json(found.to_json()) == found
    assert found.window == ("each" if window == "each" else ((-100.0, 240.0), (0.5, 7.0)))


@pytest.mark.parametrize(
    "window", ["all", 5, [], [[0, 1]], [[0, 1], [1]], [[0, 1], "ab"], [[0, 1], [1, 1]], [[2, 1]] * 2]
)
def test_malformed_windows_are_refused(window: Any) -> None:
    with pytest.raises(ArchspecError, match="'window' must be 'each', or for each of 2 channels the least and"):
        Preprocess.from_json(json.dumps(VOLUME | {"window": window}))


def test_windows_hold_numbers() -> None:
    with pytest.raises(ArchspecError, match="'window' must be a number, found a string"):
        Preprocess.from_json(json.dumps(VOLUME | {"window": [[0, 1], ["0", 1]]}))
