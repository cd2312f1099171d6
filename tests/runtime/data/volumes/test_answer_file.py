"""Labels are written on the grid of the file that they are of, so that nibabel lays one on the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile

from archspec.errors import InputError
from runtime.data.volumes.answer_file import name_answer, write_labels
from runtime.data.volumes.volume_file import open_volume
from tests.support.phantoms import draw_phantom, write_nifti

PHANTOM = draw_phantom()
LABELS = (PHANTOM % 3).astype(np.uint8)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SLA"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_on_the_grid_of_the_volume(tmp_path: Path, axes: str, ending: str) -> None:
    path = write_nifti(tmp_path / f"a{ending}", PHANTOM, axes, (4.0, 3.0, 2.0))
    volume = open_volume(path)
    answer = name_answer(tmp_path / "out", path)
    assert answer.name == path.name
    write_labels(answer, volume.space.orientation.to_file((volume.values[0] % 3).astype(np.uint8)), volume)
    before, after = nibabel.load(path), nibabel.load(answer)
    np.testing.assert_array_equal(after.affine, before.affine)
    np.testing.assert_array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj) % 3)
    assert after.get_data_dtype() == np.uint8
    for field in ("qform_code", "sform_code", "xyzt_units", "srow_x", "quatern_b", "pixdim"):
        np.testing.assert_array_equal(after.header[field], before.header[field])
    assert not np.array_equal(np.asarray(after.dataobj)[::-1], np.asarray(before.dataobj) % 3), "control"


def test_the_header_says_nothing_of_the_values_before(tmp_path: Path) -> None:
    scaled = nibabel.Nifti2Image(PHANTOM.astype(np.float32), np.diag([2, 2, 2, 1]))
    scaled.header.set_data_dtype(np.int16)
    scaled.header["cal_max"] = 900
    nibabel.save(scaled, tmp_path / "a.nii")
    volume = open_volume(tmp_path / "a.nii")
    write_labels(tmp_path / "b.nii", LABELS, volume)
    after = nibabel.load(tmp_path / "b.nii")
    assert isinstance(after, nibabel.Nifti2Image)
    assert (after.dataobj.slope, after.dataobj.inter, float(after.header["cal_max"])) == (1, 0, 0)
    np.testing.assert_array_equal(np.asarray(after.dataobj), LABELS)


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    volume = open_volume(write_nifti(tmp_path / "a.nii.gz", PHANTOM))
    for name in ("b.nii.gz", "c.nii.gz"):
        write_labels(tmp_path / name, LABELS, volume)
    assert (tmp_path / "b.nii.gz").read_bytes() == (tmp_path / "c.nii.gz").read_bytes()


@pytest.mark.parametrize(
    "given", [{}, {"imagej": True, "resolution": (2, 4), "metadata": {"spacing": 3.0, "axes": "ZYX"}}]
)
def test_stacks(tmp_path: Path, given: dict[str, Any]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PHANTOM.astype(np.uint16), photometric="minisblack", **given)
    volume = open_volume(tmp_path / "a.tif")
    write_labels(tmp_path / "b.tif", LABELS, volume)
    after = open_volume(tmp_path / "b.tif")
    np.testing.assert_array_equal(after.values[0], LABELS)
    assert after.space.spacing == ((3.0, 0.25, 0.5) if given else None)


def test_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PHANTOM)
    write_labels(tmp_path / "b.npy", LABELS, open_volume(tmp_path / "a.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), LABELS)


def test_of_another_kind_than_the_volume(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PHANTOM, imagej=False, photometric="minisblack")
    write_labels(tmp_path / "b.nii.gz", LABELS, open_volume(tmp_path / "a.tif"))
    np.testing.assert_array_equal(open_volume(tmp_path / "b.nii.gz").values[0], LABELS)


def test_nothing_is_half_written(tmp_path: Path) -> None:
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(InputError, match=r"names a folder"):
        write_labels(tmp_path / "folder.nii", LABELS, open_volume(write_nifti(tmp_path / "a.nii", PHANTOM)))
