"""The labels of a volume as a file beside it: of the same kind, on the same grid."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.extras import extra
from archspec.files import write_whole
from runtime.data.volumes.volume import Volume
from runtime.data.volumes.volume_file import NIFTI, TIFF, find_ending, name_case

COMPRESSION = 6
"""The level of gzip."""


def name_answer(folder: Path, volume: str | Path) -> Path:
    """Name the file for a volume's labels: the volume's own name in the folder."""
    return folder / f"{name_case(volume)}{find_ending(volume) or '.npy'}"


def write_labels(path: Path, labels: Array, volume: Volume) -> None:
    """Write labels along the axes of a volume's file, with its spacing and affine: NIfTI, a TIFF stack or a .npy, by
    the end of the name; whole or not at all. Raises InputError where that cannot be."""
    own, ending = np.asarray(labels), find_ending(path)
    with write_whole(path) as temporary:
        if ending in NIFTI:
            content = _make_nifti(own, volume)
            temporary.write_bytes(gzip.compress(content, COMPRESSION, mtime=0) if ending == ".nii.gz" else content)
        elif ending in TIFF:
            _write_tiff(temporary, own, volume)
        else:
            with temporary.open("wb") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(own), allow_pickle=False)


def _make_nifti(labels: Array, volume: Volume) -> bytes:
    """The bytes of a NIfTI file with the header that the volume's has, but for what it holds."""
    with extra("volumes"):
        from nibabel import Nifti1Image, Nifti2Image

    from runtime.data.volumes.nifti import parse_header

    if not volume.header:
        affine = np.diag([*(volume.space.spacing or (1.0, 1.0, 1.0))[::-1], 1.0])
        bare: bytes = Nifti1Image(labels.transpose(2, 1, 0), affine).to_bytes()
        return bare
    header: Any = parse_header(volume.header)
    header.set_data_dtype(labels.dtype)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0
    kind = Nifti1Image if len(volume.header) == 348 else Nifti2Image
    content: bytes = kind(labels, None, header).to_bytes()
    return content


def _write_tiff(path: Path, labels: Array, volume: Volume) -> None:
    """A stack that ImageJ reads, with the spacing where the volume has one."""
    with extra("volumes"):
        import tifffile

    given: dict[str, Any] = {"metadata": {"axes": "ZYX"}}
    if volume.space.spacing is not None:
        depth, height, width = volume.space.spacing
        given = {"metadata": {"axes": "ZYX", "spacing": depth}, "resolution": (1 / width, 1 / height)}
    tifffile.imwrite(path, np.ascontiguousarray(labels), imagej=True, photometric="minisblack", **given)
