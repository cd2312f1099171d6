"""Label volumes lie beside nobody's files, each on its volume's grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from archspec.errors import InputError
from runtime.prediction.answered import Answered
from runtime.prediction.volume_writer import VolumeWriter
from runtime.prediction.volumes import answer_volumes
from tests.support.phantoms import draw_spheres, write_nifti
from tests.support.task_models import ask
from tests.support.volume_models import THRESHOLDS, open_thresholds

VALUES, _ = draw_spheres((20, 24, 28), 5, 3)


def test_labels_lie_on_their_volumes(tmp_path: Path) -> None:
    paths = [write_nifti(tmp_path / "a.nii.gz", VALUES, "PIR", (3.0, 2.0, 1.0)), tmp_path / "b.npy"]
    np.save(paths[1], VALUES)
    session = open_thresholds(tmp_path)
    writer = VolumeWriter(tmp_path / "out", paths)
    assert str(writer) == ""
    for item in answer_volumes(session, paths, ask(session)):
        assert isinstance(item, Answered)
        writer(item)
    assert str(writer) == f"wrote 2 label volumes into {tmp_path / 'out'}"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.nii.gz", "b.npy"]
    volume: Any = nibabel.load(paths[0])
    labels: Any = nibabel.load(tmp_path / "out" / "a.nii.gz")
    np.testing.assert_array_equal(labels.affine, volume.affine)
    np.testing.assert_array_equal(np.asarray(labels.dataobj), np.digitize(np.asarray(volume.dataobj), THRESHOLDS))
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "b.npy"), np.digitize(VALUES, THRESHOLDS))


def test_nothing_is_replaced(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", VALUES)
    with pytest.raises(InputError, match=r"a.nii.gz is there already: name another folder"):
        VolumeWriter(tmp_path, [path])
    (tmp_path / "other").mkdir()
    other = write_nifti(tmp_path / "other" / "a.nii.gz", VALUES)
    with pytest.raises(InputError, match=r"would both be .*out/a.nii.gz: run them apart"):
        VolumeWriter(tmp_path / "out", [path, other])
    VolumeWriter(tmp_path / "out", [path, tmp_path / "missing"])
