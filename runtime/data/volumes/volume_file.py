"""A volume from a file of any kind that is read, and what is said of the others."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from archspec.arrays import Array
from archspec.errors import InputError, raising
from archspec.file_types import find_file_type
from archspec.files import check_is_file
from runtime.data.volumes.volume import Space, Volume, check_extents
from runtime.session.array_file import map_numbers

NIFTI = (".nii", ".nii.gz")
TIFF = (".tif", ".tiff")
NPY = (".npy",)
ENDINGS = (*NIFTI, *TIFF, *NPY)
"""The ends of the names of volumes that are read."""

BY_LENGTH = sorted(ENDINGS, key=len, reverse=True)
"""The same, the longest first: one may end with another."""

OTHERS = {
    ".dcm": "DICOM: convert each series to NIfTI, as `dcm2niix -z y FOLDER` does",
    ".mha": "MetaImage: save it as NIfTI (.nii.gz)",
    ".mhd": "MetaImage: save it as NIfTI (.nii.gz)",
    ".nrrd": "NRRD: save it as NIfTI (.nii.gz)",
    ".mgz": "FreeSurfer's: save it as NIfTI, as `mri_convert` does",
    ".mgh": "FreeSurfer's: save it as NIfTI, as `mri_convert` does",
    ".hdr": "half of a pair (.hdr, .img): save it as one file, .nii or .nii.gz",
    ".img": "half of a pair (.hdr, .img): save it as one file, .nii or .nii.gz",
}
"""What is said of volumes that are not read, by the ends of their names."""


def find_ending(path: str | Path) -> str | None:
    """Find which end of a volume's name a path has; None where it has none."""
    name = os.path.basename(path).lower()
    return next((ending for ending in BY_LENGTH if name.endswith(ending)), None)


def name_case(path: str | Path) -> str:
    """Give the name of a file without the end that says its kind: `liver_3` of liver_3.nii.gz."""
    return Path(path).name[: -len(find_ending(path) or "") or None]


@raising(InputError)
def open_volume(path: str | Path) -> Volume:
    """Read a volume: NIfTI, a TIFF stack, or a .npy (depth, height, width) or (channels, depth, height, width).

    Raises InputError, naming the file, where it is missing, broken, too large, no volume, or holds numbers that are not
    finite.
    """
    check_is_file(path)
    ending = find_ending(path)
    if ending in NIFTI:
        from runtime.data.volumes.nifti import read_nifti

        volume = read_nifti(str(path))
    elif ending in TIFF:
        from runtime.data.volumes.tiff import read_tiff

        volume = read_tiff(str(path))
    elif ending in NPY:
        volume = _read_npy(path)
    else:
        raise InputError(f"{path} is {_tell_other(path)}")
    if volume.values.dtype.kind == "f" and (bad := volume.values.size - np.count_nonzero(np.isfinite(volume.values))):
        raise InputError(
            f"{path} holds {bad:,} values that are infinite or NaN: set them, as to the least of the others"
        )
    return volume


@raising(InputError)
def peek_volume(path: str | Path) -> tuple[int, tuple[int, ...]]:
    """Tell the channels of a volume, and its depth, height and width, by the head of its file. Raises InputError as
    `open_volume` does, of what that says."""
    check_is_file(path)
    ending = find_ending(path)
    if ending in NIFTI:
        from runtime.data.volumes.nifti import peek_nifti

        return peek_nifti(str(path))
    if ending in TIFF:
        from runtime.data.volumes.tiff import peek_tiff

        return peek_tiff(str(path))
    volume = open_volume(path)
    return volume.channels, volume.extents


def as_labels(volume: Volume) -> Array:
    """Give the labels of a volume, (depth, height, width), in whole numbers. Raises InputError where it has several
    channels, or a number that is not whole."""
    if volume.channels != 1:
        raise InputError(f"{volume.path} has {volume.channels} channels: labels have one, with a number for each voxel")
    labels: Array = volume.values[0]
    if labels.dtype.kind != "f":
        return labels
    rounded = np.rint(labels)
    odd = (rounded != labels) | (np.abs(rounded) >= 1 << 31)
    if odd.any():
        raise InputError(
            f"{volume.path} holds numbers that are no classes, such as {labels[odd][0]:g}: labels are whole numbers; "
            "was it resampled with interpolation?"
        )
    whole: Array = rounded.astype(np.int32)
    return whole


def _read_npy(path: str | Path) -> Volume:
    found = map_numbers(path)
    if found.ndim not in (3, 4):
        shape = " by ".join(map(str, found.shape))
        raise InputError(f"{path} is {shape}: expected depth by height by width, or channels before these")
    values = found if found.ndim == 4 else found[None]
    check_extents(str(path), values.shape[1:], values.shape[0])
    try:
        return Volume(str(path), np.array(values), Space())
    except (OSError, ValueError, MemoryError) as error:
        raise InputError(f"{path} cannot be read: {str(error) or type(error).__name__}") from error


def _tell_other(path: str | Path) -> str:
    ending = Path(path).suffix.lower()
    if ending in OTHERS:
        return f"{OTHERS[ending]}; volumes are read from {', '.join(ENDINGS)}"
    kind = find_file_type(path)
    if kind and "DICOM" in kind:
        return f"{OTHERS['.dcm']}; volumes are read from {', '.join(ENDINGS)}"
    return f"no volume{f' but {kind}' if kind else ''}: expected {', '.join(ENDINGS)}"
