"""Packed samples come back as they were, from memory and from files, in this process and in others."""

from __future__ import annotations

import io
import os
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.batches import SampleDraw
from runtime.data.fetching import ReadFailure
from runtime.data.packing import ChunkFetcher, PackedChunk, PackedSamples, PackWriter, open_memory, open_packed


class Listed:
    """Sized samples from a list; None cannot be read."""

    is_foreign = False

    def __init__(self, pairs: list[tuple[Array, Array] | None]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def read(self, index: int) -> tuple[Array, Array]:
        pair = self.pairs[index]
        if pair is None:
            raise InputError(f"{self.name(index)} is broken")
        return pair

    def name(self, index: int) -> str:
        return f"photo {index}"


def write(samples: Listed, file: Any, key: str = "", step: int = 2) -> None:
    writer, fetcher = PackWriter(file), ChunkFetcher(samples, skip_bad=True)
    for start in range(0, len(samples), step):
        chunk = fetcher.__getitems__([SampleDraw(index, 0) for index in range(len(samples))[start : start + step]])
        assert isinstance(chunk, PackedChunk)
        writer.add(chunk)
    writer.finish(key)


def pack(samples: Listed) -> PackedSamples:
    file = open_memory()
    with os.fdopen(os.dup(file), "wb") as written:
        write(samples, written)
    return PackedSamples(file, samples)


DTYPES = st.sampled_from([np.uint8, np.uint16, np.float32])
IMAGES = arrays.arrays(
    DTYPES, st.tuples(st.just(2), st.integers(1, 5), st.integers(1, 7)), elements=st.integers(0, 200)
)
TARGETS = arrays.arrays(
    st.sampled_from([np.uint8, np.int64, np.float32]), arrays.array_shapes(min_dims=0, max_dims=3, max_side=4)
)


@given(st.lists(st.one_of(st.none(), st.tuples(IMAGES, TARGETS)), max_size=7))
def test_samples_come_back_as_they_were(pairs: list[Any]) -> None:
    if not pairs:
        return
    packed = pack(Listed(pairs))
    assert len(packed) == len(pairs)
    assert set(packed.bad) == {index for index, pair in enumerate(pairs) if pair is None}
    for index, pair in enumerate(pairs):
        if pair is None:
            with pytest.raises(InputError, match=f"photo {index} is broken"):
                packed.read(index)
            continue
        for found, expected in zip(packed.read(index), pair, strict=True):
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            assert np.array_equal(found, expected, equal_nan=found.dtype.kind == "f")
            assert not found.flags.writeable


def _read_elsewhere(packed: PackedSamples, answers: Any) -> None:
    answers.put((packed.read(1)[0].tolist(), packed.name(1)))


@pytest.mark.parametrize("context", ["fork", "forkserver"])
def test_another_process_maps_the_same_bytes(context: str) -> None:
    packed = pack(Listed([(np.full((1, 2, 2), number, np.uint8), np.array(number)) for number in range(3)]))
    processes = get_context(context)
    answers = processes.Queue()
    process = processes.Process(target=_read_elsewhere, args=(packed, answers))  # type: ignore[attr-defined]
    process.start()
    assert answers.get(timeout=60) == ([[[1, 1], [1, 1]]], "photo 1" if context == "fork" else "sample 1")
    process.join(60)


def test_a_chunk_tells_what_cannot_be_read_and_what_is_no_number() -> None:
    draws = [SampleDraw(0, 0), SampleDraw(1, 0)]
    samples = Listed([(np.zeros((1, 2, 2), np.uint8), np.array(1)), None])
    assert ChunkFetcher(samples).__getitems__(draws) == ReadFailure("photo 1 is broken")
    words = Listed([(np.zeros((1, 2, 2), np.uint8), np.array("cat"))])
    found = ChunkFetcher(words).__getitems__([SampleDraw(0, 0)])
    assert found == ReadFailure("photo 0: what is asked of it is not made of numbers")


def test_a_file_that_is_cut_off_anywhere_or_of_another_key_is_none(tmp_path: Path) -> None:
    samples = Listed([(np.arange(12, dtype=np.uint8).reshape(1, 3, 4), np.array(number)) for number in range(4)])
    written = io.BytesIO()
    write(samples, written, "key")
    whole, path = written.getvalue(), tmp_path / "samples.bin"
    assert open_packed(path, "key", samples) is None
    path.write_bytes(whole)
    assert open_packed(path, "other", samples) is None
    assert open_packed(path, "key", Listed(samples.pairs[:3])) is None
    found = open_packed(path, "key", samples)
    assert found is not None
    assert (found.nbytes, int(found.read(3)[1])) == (len(whole), 3)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert open_packed(path, "key", samples) is None


@given(st.data())
def test_a_file_of_rubbish_is_none_or_stays_within_itself(data: st.DataObject) -> None:
    samples = Listed([(np.arange(12, dtype=np.uint8).reshape(1, 3, 4), np.array(number)) for number in range(4)])
    written = io.BytesIO()
    write(samples, written, "key")
    spoiled = bytearray(written.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    file = open_memory()
    os.write(file, spoiled)
    path = Path(f"/proc/self/fd/{file}")
    if path.exists() and (found := open_packed(path, "key", samples)) is not None:
        for index in range(len(found)):
            try:
                found.read(index)
            except InputError:
                assert index in found.bad or found._numbers[index] == 0xFFFF_FFFF
    os.close(file)
