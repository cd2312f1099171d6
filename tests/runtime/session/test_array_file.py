"""Arrays come as the model's numbers: exactly where its type can hold them, rounded where it is narrower, or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.session.array_file import cast, load_array, map_array


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("stored", ["<f4", ">f4", "<f8", ">f8", "f2"])
@pytest.mark.parametrize("wanted", ["float16", "float32", "float64"])
def test_numbers_are_rounded_once(tmp_path: Path, stored: str, wanted: str) -> None:
    """numpy's own conversion from the stored numbers is the witness; no number takes a way through another type."""
    numbers = np.asfortranarray(np.random.default_rng(0).standard_normal((3, 4, 5)).astype(stored))
    np.save(tmp_path / "a.npy", numbers)
    found = load_array(tmp_path / "a.npy", wanted)
    assert found.dtype == np.dtype(wanted)
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    assert np.array_equal(found, numbers.astype(wanted))


def test_a_double_keeps_what_float32_cannot_hold(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([1e9 + 1, 1e9 + 3.5]))
    assert load_array(tmp_path / "a.npy", np.float64).tolist() == [1e9 + 1, 1e9 + 3.5]
    assert load_array(tmp_path / "a.npy").tolist() == [1e9, 1e9]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("number", "stored", "wanted", "message"),
    [
        (
            1e5,
            "f8",
            "float16",
            r"a\.npy holds 100000, which float16 cannot hold \(largest 65504\): export with --io fp32",
        ),
        (-7e4, "f4", "float16", "holds -70000, which float16"),
        (1e300, "f8", "float32", r"holds 1e\+300, which float32 cannot hold \(largest 3.40282e\+38\)$"),
        (300, "i8", "uint8", r"holds 300, which uint8 cannot hold \(largest 255\)"),
        (-1, "i4", "uint64", "holds -1, which uint64"),
        (2**63, "u8", "int64", "holds 9223372036854775808, which int64 cannot hold .largest 9223372036854775807."),
        (1, "i8", "float32", "holds int64; a .npy must hold preprocessed floating-point numbers"),
        (1, "f4", "int64", "holds float32; a .npy must hold whole numbers"),
        (1, "u1", "bool", "holds uint8; a .npy must hold truth values"),
        (1j, "c8", "float32", "holds complex64"),
        (np.nan, "f4", "float32", "infinite numbers or NaN"),
        (-np.inf, "f2", "float32", "infinite numbers or NaN"),
    ],
)
def test_what_a_type_cannot_hold_is_refused(
    tmp_path: Path, number: complex, stored: str, wanted: str, message: str
) -> None:
    np.save(tmp_path / "a.npy", np.array([0, number], stored))
    with pytest.raises(ArchspecError, match=message):
        load_array(tmp_path / "a.npy", wanted)


@pytest.mark.parametrize(
    ("stored", "wanted", "number"),
    [("f8", "float16", 65519.0), ("i8", "int8", -128), ("u8", "int32", 2**31 - 1), ("?", "bool", True)],
)
def test_the_last_number_that_fits_is_taken(tmp_path: Path, stored: str, wanted: str, number: float) -> None:
    np.save(tmp_path / "a.npy", np.array([number], stored))
    found = load_array(tmp_path / "a.npy", wanted)
    assert found.dtype == np.dtype(wanted)
    assert found[0] == np.array(number).astype(wanted)


def test_a_cast_is_a_copy() -> None:
    values = np.zeros(3, np.float32)
    cast(values, np.float32, "x")[0] = 1
    assert not values.any()


def test_files_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    """In the program's own words: numpy would advise its callers to trust them."""
    np.save(tmp_path / "whole.npy", np.zeros(100))
    np.savez(tmp_path / "many.npz", a=np.zeros(3))
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    whole = (tmp_path / "whole.npy").read_bytes()
    header = whole.replace(b"\x93NUMPY\x01\x00\x76\x00", b"\x93NUMPY\x02\x00\x00\x00\x10\x00")
    contents = [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(99), whole[:50], whole[:-1], whole.replace(b"}", b" ")]
    contents += [whole.replace(b"(100,)", b"(1" + b"0" * 15 + b",)"), header + bytes(1 << 20)]
    contents += [(tmp_path / name).read_bytes() for name in ("many.npz", "objects.npy")]
    for content in contents:
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(ArchspecError, match=r"a\.npy (is not a readable|holds several)") as error:
            load_array(tmp_path / "a.npy")
        assert "pickle" not in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(ArchspecError, match="does not exist"):
        map_array(tmp_path / "none.npy")
