"""Folders of volumes and labels are paired by their names, and what has no counterpart is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data.listing import list_data
from runtime.data.volumes.assembling import find_volumes
from runtime.data.volumes.folder import LAYOUT, VolumeSource, recognize
from tests.support.phantoms import draw_spheres, write_nifti

VALUES, LABELS = draw_spheres((8, 9, 10), 2, 0, (2, 3))


def put(folder: Path, *names: str, labels: bool = False) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = LABELS if labels else VALUES
        np.save(path, values) if name.endswith(".npy") else write_nifti(path, values)


def open_folder(folder: Path) -> VolumeSource:
    source = LAYOUT.read(list_data(folder), "data")
    assert isinstance(source, VolumeSource)
    return source


def test_names_of_every_kind(tmp_path: Path) -> None:
    put(tmp_path, "images/b.nii.gz", "images/a.npy", "images/sub/a.nii")
    put(tmp_path, "labels/b_seg.nii", "labels/a.nii.gz", "labels/sub/a_label.npy", labels=True)
    source = open_folder(tmp_path)
    assert source.names == ["images/a", "images/b", "images/sub/a"]
    assert [case.labels.name for case in find_volumes(source.samples)[1]] == ["a.nii.gz", "b_seg.nii", "a_label.npy"]
    assert (source.classes, source.parts, source.strays, source.bad) == (("background", "1", "2"), [""] * 3, (), ())
    image, target = source.samples[0]
    assert image.shape == (1, 8, 9, 10)
    np.testing.assert_array_equal(target, LABELS)


def test_the_decathlons_and_nnunets_folders(tmp_path: Path) -> None:
    put(
        tmp_path, "imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "imagesTr/b_0001.nii.gz", "imagesTr/b_0000.nii.gz"
    )
    put(tmp_path, "imagesTs/c_0000.nii.gz", "imagesTs/c_0001.nii.gz")
    put(tmp_path, "labelsTr/a.nii.gz", "labelsTr/b.nii.gz", "labelsTs/c.nii.gz", labels=True)
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "dark": 1, "bright": 2}}')
    source = open_folder(tmp_path)
    assert source.names == ["imagesTr/a", "imagesTr/b", "imagesTs/c"]
    assert source.parts == ["", "", "test"]
    assert source.classes == ("background", "dark", "bright")
    assert [path.name for path in find_volumes(source.samples)[1][1].images] == ["b_0000.nii.gz", "b_0001.nii.gz"]
    assert source.samples[2][0].shape == (2, 8, 9, 10)


def test_parts_by_folder(tmp_path: Path) -> None:
    put(tmp_path, "train/images/a.npy", "val/images/b.npy", "images/test/c.npy")
    put(tmp_path, "train/labels/a.npy", "val/labels/b.npy", "labels/test/c.npy", labels=True)
    source = open_folder(tmp_path)
    assert dict(zip(source.names, source.parts or (), strict=True)) == {
        "images/test/c": "test",
        "train/images/a": "train",
        "val/images/b": "validation",
    }


def test_places(tmp_path: Path) -> None:
    put(tmp_path, "images/a.npy")
    put(tmp_path, "labels/a.npy", labels=True)
    (tmp_path / "data.yaml").write_text("place: {train: {width: [0, 0.5]}, test: {width: [0.6, 1]}}")
    source = open_folder(tmp_path)
    assert (source.names, source.parts) == (["images/a (train)", "images/a (test)"], ["train", "test"])
    assert [target.shape for _, target in (source.samples[0], source.samples[1])] == [(8, 9, 5), (8, 9, 4)]


def test_what_has_no_counterpart_is_said(tmp_path: Path) -> None:
    put(tmp_path, "images/a.npy", "images/b.npy", "images/c.npy")
    put(tmp_path, "labels/a.npy", "labels/d.npy", labels=True)
    assert open_folder(tmp_path).strays == (
        "2 volumes of data have no counterpart, and are left out: images/b.npy, images/c.npy",
        "1 label volume of data has no counterpart, and is left out: labels/d.npy",
    )


def test_volumes_of_other_kinds_are_told_of(tmp_path: Path) -> None:
    put(tmp_path, "images/a.npy")
    put(tmp_path, "labels/a.npy", labels=True)
    (tmp_path / "images" / "b.dcm").write_bytes(b"")
    (note,) = open_folder(tmp_path).strays
    assert note.startswith("1 file of data (images/b.dcm) not read: DICOM: convert each series to NIfTI")


def test_labels_that_cannot_be_read(tmp_path: Path) -> None:
    put(tmp_path, "images/a.npy", "images/b.npy")
    put(tmp_path, "labels/a.npy", labels=True)
    (tmp_path / "labels" / "b.nii.gz").write_bytes(b"broken")
    (told,) = open_folder(tmp_path).bad
    assert "b.nii.gz is no NIfTI file" in told
    (tmp_path / "labels" / "a.npy").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"no labels can be read: .*a.npy"):
        open_folder(tmp_path)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((0,), "the labels of data store 0 and nothing else, which ask for one class, background: a network learns"),
        ((2, 255), "store 2, 255 and nothing else, which ask for one class, 2"),
        ((255,), "store 255 and nothing else, which ask for no class"),
    ],
)
def test_labels_of_one_class_teach_nothing(tmp_path: Path, numbers: tuple[int, ...], told: str) -> None:
    put(tmp_path, "images/a.npy")
    put(tmp_path, "labels/a.npy", labels=True)
    np.save(tmp_path / "labels" / "a.npy", np.resize(np.array(numbers, np.uint8), LABELS.shape))
    with pytest.raises(InputError, match=told):
        open_folder(tmp_path)
    np.save(tmp_path / "labels" / "a.npy", np.resize(np.array([0, 3], np.uint8), LABELS.shape))
    source = open_folder(tmp_path)
    assert (source.classes, source.unseen) == (("background", "1", "2", "3"), ("1", "2"))


def test_what_cannot_be_paired(tmp_path: Path) -> None:
    put(tmp_path, "images/a.npy")
    put(tmp_path, "labels/b.npy", labels=True)
    with pytest.raises(
        InputError, match=r"no volume of data has labels of its name: volumes are images/a.npy, labels are"
    ):
        open_folder(tmp_path)
    put(tmp_path, "images/b.npy", "images/b.nii")
    with pytest.raises(InputError, match=r"images/b.nii and images/b.npy, which differ by their endings alone"):
        open_folder(tmp_path)


def test_a_missing_channel(tmp_path: Path) -> None:
    put(tmp_path, "imagesTr/a_0000.npy", "imagesTr/a_0001.npy", "imagesTr/b_0001.npy")
    put(tmp_path, "labelsTr/a.npy", "labelsTr/b.npy", labels=True)
    with pytest.raises(
        InputError, match=r"the volume b has 1 channel \(imagesTr/b_0001.npy\), and others have 2, _0000 to"
    ):
        open_folder(tmp_path)


def test_other_folders_are_not_recognized(tmp_path: Path) -> None:
    put(tmp_path, "images/a.npy")
    assert not recognize(list_data(tmp_path))
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.png").write_bytes(b"")
    assert not recognize(list_data(tmp_path))
    put(tmp_path, "labels/a.npy", labels=True)
    assert recognize(list_data(tmp_path))
