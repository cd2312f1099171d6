"""NIfTI files are read as nibabel reads them, whatever way their axes run; hostile ones take no memory."""

from __future__ import annotations

import gzip
import random
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data.volumes.nifti import read_nifti
from runtime.data.volumes.volume import Orientation
from tests.support.phantoms import draw_phantom, write_nifti


def make_header(
    dim: tuple[int, ...] = (3, 4, 5, 6, 1, 1, 1, 1), datatype: int = 4, magic: bytes = b"n+1\0"
) -> bytearray:
    """348 bytes by the standard's own offsets: sform 1 with voxels of 1 by 2 by 3 mm, and four empty bytes behind."""
    block = bytearray(352)
    struct.pack_into("<i", block, 0, 348)
    struct.pack_into("<8h", block, 40, *dim)
    struct.pack_into("<hh", block, 70, datatype, {4: 16, 2: 8, 16: 32}.get(datatype, 16))
    struct.pack_into("<8f", block, 76, 1, 1, 2, 3, 1, 1, 1, 1)
    struct.pack_into("<f", block, 108, 352)
    struct.pack_into("<hh", block, 252, 0, 1)
    struct.pack_into("<12f", block, 280, 1, 0, 0, -7, 0, 2, 0, -8, 0, 0, 3, -9)
    block[344:348] = magic
    return block


def test_bytes_made_by_hand(tmp_path: Path) -> None:
    stored = np.arange(4 * 5 * 6, dtype="<i2")
    (tmp_path / "hand.nii").write_bytes(make_header() + stored.tobytes())
    volume = read_nifti(str(tmp_path / "hand.nii"))
    assert volume.values.shape == (1, 6, 5, 4)
    assert volume.values.dtype == np.int16
    np.testing.assert_array_equal(volume.values[0], stored.reshape(6, 5, 4))  # the first axis runs fastest
    assert volume.space.spacing == (3.0, 2.0, 1.0)
    assert volume.space.affine is not None
    np.testing.assert_array_equal(volume.space.affine @ [1, 1, 1, 1], [-6, -6, -6, 1])
    witness = nibabel.load(tmp_path / "hand.nii")
    np.testing.assert_array_equal(np.asarray(witness.dataobj), volume.values[0].transpose(2, 1, 0))


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "PIR", "ASR", "SLA", "IPL", "AIL"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_axes_run_upward_forward_and_to_the_right(tmp_path: Path, axes: str, ending: str) -> None:
    phantom = draw_phantom()
    path = write_nifti(tmp_path / f"phantom{ending}", phantom, axes, (4.0, 3.0, 2.0))
    volume = read_nifti(str(path))
    np.testing.assert_array_equal(volume.values[0], phantom)
    assert volume.space.spacing == (4.0, 3.0, 2.0)
    assert volume.space.affine is not None
    np.testing.assert_allclose(volume.space.affine @ [1, 0, 0, 1], [10, 20, 34, 1])
    stored = np.asarray(nibabel.load(path).dataobj)
    np.testing.assert_array_equal(volume.space.orientation.to_file(volume.values[0]), stored)
    if axes != "RAS":  # control: as stored it is another volume
        assert stored.shape != (7, 6, 5) or not np.array_equal(stored.transpose(2, 1, 0), phantom)


def test_an_angle_is_not_resampled(tmp_path: Path) -> None:
    turn = np.deg2rad(20)
    affine = np.eye(4)
    affine[:2, :2] = [[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    phantom = draw_phantom()
    nibabel.save(nibabel.Nifti1Image(phantom, affine), tmp_path / "turned.nii")
    wanted = nibabel.as_closest_canonical(nibabel.load(tmp_path / "turned.nii"))
    found = read_nifti(str(tmp_path / "turned.nii"))
    np.testing.assert_array_equal(found.values[0], np.asarray(wanted.dataobj).transpose(2, 1, 0))
    assert found.space.affine is not None
    np.testing.assert_allclose(found.space.affine[:, [2, 1, 0, 3]], wanted.affine, atol=1e-6)


def test_without_a_place_axes_stay(tmp_path: Path) -> None:
    block = make_header()
    struct.pack_into("<hh", block, 252, 0, 0)
    (tmp_path / "nowhere.nii").write_bytes(block + np.arange(120, dtype="<i2").tobytes())
    space = read_nifti(str(tmp_path / "nowhere.nii")).space
    assert (space.orientation, space.spacing, space.affine) == (Orientation((2, 1, 0)), (3.0, 2.0, 1.0), None)


@pytest.mark.parametrize(("slope", "inter"), [(2.0, -1024.0), (0.0, 5.0), (1.0, 0.0), (float("nan"), 0.0)])
def test_scaling_is_the_headers(tmp_path: Path, slope: float, inter: float) -> None:
    block = make_header()
    struct.pack_into("<ff", block, 112, slope, inter)
    (tmp_path / "scaled.nii").write_bytes(block + np.arange(120, dtype="<i2").tobytes())
    found = read_nifti(str(tmp_path / "scaled.nii"))
    np.testing.assert_array_equal(
        found.values[0].transpose(2, 1, 0), nibabel.load(tmp_path / "scaled.nii").get_fdata(dtype=np.float32)
    )
    assert found.values.dtype == (np.float32 if slope == 2 else np.int16)


@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (3, 4, 5, 1, 2), (3, 4, 5, 1), (3, 4)])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_channels_are_the_fourth_axis(tmp_path: Path, shape: tuple[int, ...], kind: type) -> None:
    values = draw_phantom(shape, np.float64)
    nibabel.save(kind(values, np.eye(4), dtype=np.float64), tmp_path / "several.nii.gz")
    found = read_nifti(str(tmp_path / "several.nii.gz"))
    channels = 2 if shape[-1] == 2 else 1
    wanted = values.reshape(3, 4, -1 if len(shape) == 2 else 5, channels).transpose(3, 2, 1, 0)
    np.testing.assert_array_equal(found.values, wanted)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (b"", "no NIfTI file: it does not begin as one"),
        (b"PK\3\4" * 100, "no NIfTI file"),
        (bytes(make_header()[:200]), "its header is not whole"),
        (bytes(make_header(magic=b"ni1\0")), r"half of a pair \(.hdr, .img\)"),
        (bytes(make_header(magic=b"abcd")), "its header is not whole"),
        (bytes(make_header((9, 4, 5, 6, 1, 1, 1, 1))), "says that it has 9 axes"),
        (bytes(make_header((3, 4, -5, 6, 1, 1, 1, 1))), "expected a volume"),
        (bytes(make_header((3, 32767, 32767, 32767, 1, 1, 1, 1))), "too large a volume"),
        (bytes(make_header((6, 4, 5, 6, 3, 3, 3, 1))), "expected three axes, or a fourth of channels"),
        (bytes(make_header(datatype=77)), r"numbers of an unknown type \(77\)"),
        (bytes(make_header(datatype=32)), "holds complex64"),
        (bytes(make_header(datatype=128)), "volumes are read of whole or of floating-point numbers"),
        (bytes(make_header()), "its header promises 592 B, in a file of 352 B"),
        (bytes(make_header()[:108]) + struct.pack("<f", 1e30) + bytes(make_header()[112:]), "values begin at byte 1e"),
        (bytes(make_header()[:108]) + struct.pack("<f", 8) + bytes(make_header()[112:]), "values begin at byte 8"),
    ],
)
def test_broken_headers_are_refused(tmp_path: Path, block: bytes, message: str) -> None:
    (tmp_path / "broken.nii").write_bytes(block)
    with pytest.raises(InputError, match=message) as caught:
        read_nifti(str(tmp_path / "broken.nii"))
    assert str(tmp_path / "broken.nii") in str(caught.value)


def test_axes_on_one_line_are_refused(tmp_path: Path) -> None:
    block = make_header()
    struct.pack_into("<12f", block, 280, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 3, 0)
    (tmp_path / "flat.nii").write_bytes(block + bytes(240))
    with pytest.raises(InputError, match=r"lays several axes on one line"):
        read_nifti(str(tmp_path / "flat.nii"))


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    """A gigabyte behind the values stays packed, and a header of a gigabyte in a small file is refused."""
    values = np.arange(120, dtype="<i2").tobytes()
    packed = gzip.compress(make_header() + values + bytes(1 << 26), 1)
    (tmp_path / "bomb.nii.gz").write_bytes(packed)
    (tmp_path / "promise.nii.gz").write_bytes(gzip.compress(make_header((3, 800, 800, 800, 1, 1, 1, 1)) + values))
    tracemalloc.start()
    assert read_nifti(str(tmp_path / "bomb.nii.gz")).values.size == 120
    with pytest.raises(InputError, match=r"its header promises 1.02 GB"):
        read_nifti(str(tmp_path / "promise.nii.gz"))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 << 20


def test_whatever_is_broken_is_said(tmp_path: Path) -> None:
    whole = bytes(make_header()) + np.arange(120, dtype="<i2").tobytes()
    chance = random.Random(0)
    read = 0
    for _ in range(400):
        content = bytearray(gzip.compress(whole) if chance.random() < 0.3 else whole)
        for _ in range(chance.choice((1, 2, 4))):
            content[chance.randrange(min(len(content), 360))] = chance.choice((0, 1, 127, 255))
        if chance.random() < 0.2:
            del content[chance.randrange(len(content)) :]
        (tmp_path / "any.nii").write_bytes(content)
        with suppress(InputError):
            read_nifti(str(tmp_path / "any.nii"))
            read += 1
    assert 50 < read < 350
