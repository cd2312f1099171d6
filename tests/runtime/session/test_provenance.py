"""What an optimized form says of where it comes from is read as it was written, or refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import CONTENT
from runtime.session.provenance import Provenance, list_states, read_provenance, write_provenance
from tests.support.models import build_double, save


@pytest.fixture
def form(tmp_path: Path) -> Path:
    (tmp_path / "m.data").write_bytes(b"weights")
    return save(build_double(metadata={str(CONTENT): "xxh3:0"}), tmp_path / "m.onnx")


FACTS = Provenance("ort1-avx2", "xxh3:0", "f" * 64, ((7, 8),))


def test_what_is_written_is_read(form: Path) -> None:
    write_provenance(form, FACTS, ("m.data",))
    found = read_provenance(form)
    assert (found.tied, found.content, found.fingerprint, found.model) == ("ort1-avx2", "xxh3:0", "f" * 64, ((7, 8),))
    assert (found.names, found.data) == (("m.data",), list_states(form, ["m.data"]))
    os.utime(form.with_name("m.data"), ns=(1, 1))  # the control: numbers are read then, and are the same
    assert read_provenance(form).hashes == found.hashes


@pytest.mark.parametrize("what", ["a byte", "no seal", "data", "no data"])
def test_what_is_not_as_it_was_written_is_refused(form: Path, what: str) -> None:
    data, plain = form.with_name("m.data"), form.read_bytes()
    write_provenance(form, FACTS, ("m.data",))
    if what == "a byte":
        form.write_bytes(form.read_bytes().replace(b"ort1-avx2", b"ort2-avx2"))
    elif what == "no seal":
        form.write_bytes(plain)
    elif what == "data":
        data.write_bytes(b"Weights")
        os.utime(data, ns=(1, 1))
    else:
        data.unlink()
    with pytest.raises(ArchspecError):
        read_provenance(form)
