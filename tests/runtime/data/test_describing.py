"""A digest of samples changes with whatever changes what is read."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data.dataset import ArraySamples
from runtime.data.describing import digest_samples
from runtime.data.source import LabelledPictures, Subset
from runtime.pictures.preprocess import Preprocess
from tests.support.odd_samples import DrawingSamples
from tests.support.photographs import write_photographs


def test_it_changes_with_files_and_with_how_they_are_read(tmp_path: Path) -> None:
    write_photographs(tmp_path, 4, (20, 30))
    names = tuple(sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jpg")))
    samples = LabelledPictures(tmp_path, names, targets=np.array([0, 0, 1, 1]))
    digest = digest_samples(samples, "exact")
    assert digest_samples(replace(samples, targets=np.array([0, 0, 1, 1])), "exact") == digest
    others = [
        digest_samples(samples, "letterbox"),
        digest_samples(replace(samples, targets=np.array([0, 1, 1, 1])), "exact"),
        digest_samples(replace(samples, channels=1), "exact"),
        digest_samples(replace(samples, names=names[::-1]), "exact"),
        digest_samples(Subset(samples, np.arange(4)), "exact"),
        digest_samples(samples, Preprocess(1, (4, 4), (0.5,), (0.5,))),
        digest_samples(samples, Preprocess(1, (4, 4), (0.5,), (0.25,))),
    ]
    path = tmp_path / names[2]
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    others.append(digest_samples(samples, "exact"))
    path.write_bytes(path.read_bytes() + b"\0")
    others.append(digest_samples(samples, "exact"))
    assert len({digest, *others}) == 1 + len(others)
    path.unlink()
    with pytest.raises(InputError, match=f"cannot read {path}: No such file"):
        digest_samples(samples, "exact")


def test_arrays_are_digested_whole_and_what_cannot_be_written_down_is_refused() -> None:
    images = np.zeros((2, 1, 3, 3), np.uint8)
    digest = digest_samples(ArraySamples(images, np.zeros(2)))
    changed = images.copy()
    changed[1, 0, 2, 2] = 1
    assert digest_samples(ArraySamples(changed, np.zeros(2))) != digest
    assert digest_samples(ArraySamples(images.reshape(2, 1, 9, 1), np.zeros(2))) != digest
    assert digest_samples(DrawingSamples(3)) != digest_samples(DrawingSamples(4))
    with pytest.raises(InputError, match="a function is among what these consist of: take --cache ram, or off"):
        digest_samples(ArraySamples(images, np.zeros(2)), lambda: 1)
