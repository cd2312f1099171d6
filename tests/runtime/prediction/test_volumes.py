"""Answers for volumes lie on the volumes: whatever way their axes run, at whatever spacing, in however many windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from archspec.arrays import Array
from archspec.errors import InputError, ModelError
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.answer_pictures import save_answer
from runtime.prediction.answered import Answered
from runtime.prediction.predict import answer_files, predict
from runtime.prediction.reader import Failure
from runtime.prediction.volumes import answer_volumes, list_volumes, takes_volumes
from runtime.session.session import Session
from runtime.tasks.maps import ClassMap
from tests.support.phantoms import draw_spheres, write_nifti
from tests.support.task_models import ask
from tests.support.volume_models import THRESHOLDS, open_thresholds

VALUES, LABELS = draw_spheres((20, 24, 28), 5, 3)
BY_VALUE = np.digitize(VALUES, THRESHOLDS)
"""What the network answers, voxel by voxel."""


def answer(session: Session, path: Path) -> ClassMap:
    (found,) = answer_volumes(session, [path], ask(session))
    assert isinstance(found, Answered), found
    assert isinstance(found.answer, ClassMap)
    return found.answer


def stored(path: Path) -> Array:
    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "ASL"])
def test_classes_lie_on_the_files_own_voxels(tmp_path: Path, axes: str) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", VALUES, axes, (3.0, 2.0, 1.0))
    found = answer(open_thresholds(tmp_path), path)
    wanted = np.digitize(stored(path), THRESHOLDS)
    assert found.classes.dtype == np.uint8
    np.testing.assert_array_equal(found.classes, wanted)
    assert (found.classes != wanted[::-1]).mean() > 0.02, "control"
    shares = {share.name: share.share for share in found.shares}
    assert shares["bright"] == pytest.approx((wanted == 2).mean())


def test_fixed_and_dynamic_windows_answer_alike(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", VALUES)
    fixed, dynamic = (answer(open_thresholds(tmp_path, dynamic=free), path).classes for free in (False, True))
    np.testing.assert_array_equal(fixed, dynamic)


@pytest.mark.parametrize("ending", [".npy", ".tif"])
def test_other_files(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    np.save(path, VALUES) if ending == ".npy" else tifffile.imwrite(path, VALUES, photometric="minisblack")
    np.testing.assert_array_equal(answer(open_thresholds(tmp_path), path).classes, BY_VALUE)


def test_spacing_is_undone(tmp_path: Path) -> None:
    """A network of two millimetres answers on voxels of one: the drawn truth is met but at borders."""
    path = write_nifti(tmp_path / "a.nii.gz", VALUES, "LPS", (1.0, 1.0, 1.0))
    truth = stored(write_nifti(tmp_path / "b.nii.gz", LABELS, "LPS"))
    found = answer(open_thresholds(tmp_path, spacing=(2.0, 2.0, 2.0)), path).classes
    assert found.shape == truth.shape
    share = ((found > 0) & (truth > 0)).sum() / ((found > 0) | (truth > 0)).sum()
    shifted = ((found > 0) & (np.roll(truth, 2, 0) > 0)).sum() / ((found > 0) | (np.roll(truth, 2, 0) > 0)).sum()
    assert share > 0.8 > shifted + 0.15, "control: a voxel of the network's further"


def test_a_volume_by_its_own_values(tmp_path: Path) -> None:
    """A window of each volume's own percentiles: ten times the values have the same answer."""
    first, second = (
        answer(
            open_thresholds(tmp_path, window="each"), write_nifti(tmp_path / "a.nii.gz", VALUES.astype(float) * factor)
        )
        for factor in (1, 10)
    )
    assert (first.classes == second.classes).mean() > 0.999
    assert len(np.unique(first.classes)) > 1


def test_what_has_no_answer_is_told(tmp_path: Path) -> None:
    session = open_thresholds(tmp_path)
    write_nifti(tmp_path / "two.nii.gz", VALUES)
    (tmp_path / "one.nii").write_bytes(b"broken")
    np.save(tmp_path / "three.npy", np.stack([VALUES, VALUES]))
    first, second, third = answer_files(session, [tmp_path])
    assert isinstance(first, Failure)
    assert "one.nii is no NIfTI file" in str(first.error)
    assert isinstance(second, Failure)
    assert "has 2 channels, and the network takes 1" in str(second.error)
    assert isinstance(third, Answered)
    with pytest.raises(InputError, match=r"one.nii is no NIfTI"):
        predict(session, [tmp_path / "one.nii"])
    (tmp_path / "empty").mkdir()
    (nothing,) = list_volumes([tmp_path / "empty"])
    assert isinstance(nothing, Failure)
    assert "holds no volumes: expected files that end with .nii" in str(nothing.error)
    with pytest.raises(ModelError, match="is asked for labels; volumes are answered with maps"):
        list(answer_volumes(session, [], ask(session, "labels")))


def test_only_networks_of_volumes_take_them() -> None:
    flat = Preprocess(1, (8, 8), (0.0,), (1.0,))
    assert not takes_volumes(flat)
    assert not takes_volumes(None)
    assert not takes_volumes(Preprocess(1, (8, 8, 8), (0.0,), (1.0,)))
    assert takes_volumes(Preprocess(1, (8, 8, 8), (0.0,), (1.0,), resize="none", window="each"))


def test_steps_are_told(tmp_path: Path) -> None:
    session, told = open_thresholds(tmp_path), list[tuple[int, int]]()
    path = write_nifti(tmp_path / "a.nii.gz", VALUES)
    list(answer_volumes(session, [path, path], ask(session), lambda done, of: told.append((done, of))))
    assert told[-1] == (64, 64)
    assert [done for done, _ in told].count(64) == 2


def test_three_planes_are_drawn(tmp_path: Path) -> None:
    session = open_thresholds(tmp_path)
    (found,) = answer_volumes(session, [write_nifti(tmp_path / "a.nii.gz", VALUES, "PIR")], ask(session))
    assert isinstance(found, Answered)
    (path,) = save_answer(tmp_path, "drawn", found, ask(session).preprocess)
    with Image.open(path) as picture:
        drawn = np.asarray(picture.convert("RGB")).astype(int)
    factor = drawn.shape[1] // (28 + 28 + 24 + 4)
    colours = np.ptp(drawn[: 20 * factor : factor, : 28 * factor : factor], axis=-1) > 40
    np.testing.assert_array_equal(colours, BY_VALUE[10, ::-1][:20] > 0)
