"""One door for all files of volumes, and a word on those that are not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.volumes.volume import Volume
from runtime.data.volumes.volume_file import as_labels, find_ending, name_case, open_volume
from tests.support.phantoms import draw_phantom, write_nifti

PHANTOM = draw_phantom()


def test_every_kind_gives_the_same_values(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PHANTOM)
    tifffile.imwrite(tmp_path / "a.tif", PHANTOM, photometric="minisblack")
    write_nifti(tmp_path / "a.nii", PHANTOM, "LPS")
    write_nifti(tmp_path / "a.NII.GZ", PHANTOM, "PIR")
    for name in ("a.npy", "a.tif", "a.nii", "a.NII.GZ"):
        volume = open_volume(tmp_path / name)
        assert (volume.path, volume.channels, volume.extents) == (str(tmp_path / name), 1, PHANTOM.shape)
        np.testing.assert_array_equal(volume.values[0], PHANTOM)


def test_arrays_may_have_channels(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.stack([PHANTOM, -PHANTOM]))
    assert open_volume(tmp_path / "a.npy").values[1, 4, 5, 6] == -PHANTOM[4, 5, 6]


def test_names() -> None:
    assert [find_ending(name) for name in ("a.nii.gz", "b/A.NII", "x.TIFF", "x.gz", "nii", "x.npz")] == [
        ".nii.gz",
        ".nii",
        ".tiff",
        None,
        None,
        None,
    ]
    assert [name_case(name) for name in ("d/liver_3.nii.gz", "x.npy", "x")] == ["liver_3", "x", "x"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.dcm", b"", "is DICOM: convert each series to NIfTI, as `dcm2niix"),
        ("a", bytes(128) + b"DICM" + bytes(20), "is DICOM"),
        ("a.mha", b"", "is MetaImage: save it as NIfTI"),
        ("a.img", b"", "is half of a pair"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "is no volume but a PNG picture: expected .nii, .nii.gz, .tif, .tiff, .npy"),
        ("a.nii", b"", "does not begin as one"),
        ("a.npy", b"", "not a readable .npy"),
        ("missing.nii", None, "does not exist"),
    ],
)
def test_others_are_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        open_volume(tmp_path / name)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 4)), "is 3 by 4: expected depth by height by width"),
        (np.zeros((2, 2, 2), np.complex64), "a .npy must hold numbers"),
        (np.array([[[1.0, np.nan, np.inf]]]), "holds 2 values that are infinite or NaN"),
        (np.zeros((0, 3, 4)), "expected a volume"),
    ],
)
def test_no_volume(tmp_path: Path, values: Any, message: str) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=message):
        open_volume(tmp_path / "a.npy")


def test_an_array_that_promises_more_than_it_holds(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PHANTOM)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-9])
    with pytest.raises(InputError, match=r"not a readable .npy file"):
        open_volume(tmp_path / "a.npy")


def hold(values: Array) -> Volume:
    return Volume("x.nii", values[None] if values.ndim == 3 else values)


def test_labels_are_whole() -> None:
    labels = as_labels(hold(np.array([[[0.0, 3.0]]])))
    assert (str(labels.dtype), labels.tolist()) == ("int32", [[[0, 3]]])
    assert as_labels(hold(np.array([[[7]]], np.uint8))).dtype == np.uint8
    with pytest.raises(InputError, match=r"no classes, such as 0.5: .* was it resampled"):
        as_labels(hold(np.array([[[0.5, 3.0]]])))
    with pytest.raises(InputError, match=r"no classes"):
        as_labels(hold(np.array([[[1e12]]])))
    with pytest.raises(InputError, match=r"2 channels: labels have one"):
        as_labels(hold(np.zeros((2, 1, 1, 1))))
