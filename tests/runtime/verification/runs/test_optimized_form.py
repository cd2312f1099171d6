"""What a session loads instead of a file is verified beside it."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest
from onnx import helper

from archspec.api import verify_model
from archspec.errors import ArchspecError
from runtime.session.form_writer import write_optimized
from runtime.session.model_file import ModelFile
from runtime.session.optimized_form import find_optimized
from runtime.session.provenance import read_provenance, write_provenance
from tests.support.verification import export, make, spoil, statuses, text_of


def test_what_was_optimized_beside_a_file_is_verified_too(tmp_path: Path) -> None:
    graph, module = make()
    path = export(tmp_path, graph, module)
    assert "optimized" not in statuses(verify_model(path))
    beside = write_optimized(path)
    found = verify_model(path, (graph, module.state_dict()))
    assert found.passed
    assert f"{beside.name}, which a session here loads instead: m.onnx agrees to" in text_of(found, "optimized")
    with pytest.raises(
        ArchspecError, match=rf"{beside.name} is the optimized form of the model .*: archspec verify {path}$"
    ):
        verify_model(beside)
    spoil(path)
    found = verify_model(path, (graph, module.state_dict()))
    assert statuses(found)["torch"] == "failed"
    assert statuses(found)["optimized"] == "noted"
    assert "m.onnx is not the model that it was made from" in text_of(found, "optimized")


def test_an_optimized_form_without_its_data_is_noted(tmp_path: Path) -> None:
    graph, module = make()
    path = export(tmp_path, graph, module)
    beside = write_optimized(path)
    (data,) = tmp_path.glob("*.data")
    data.unlink()
    found = verify_model(path)
    assert found.passed
    assert statuses(found)["optimized"] == "noted"
    assert f"{data} does not exist" in text_of(found, "optimized")
    assert not verify_model(beside).passed


def test_an_optimized_form_of_other_numbers_is_found(tmp_path: Path) -> None:
    """Whoever seals it: what a session would compute is compared."""
    path = export(tmp_path, *make())
    beside = write_optimized(path)
    facts, model = read_provenance(beside), onnx.load(beside, load_external_data=False)
    last = next(node for node in model.graph.node if node.op_type == "Gemm")
    next(item for item in last.attribute if item.name == "alpha").f = 2.0
    onnx.save(model, beside)
    assert statuses(verify_model(path))["optimized"] == "noted"
    assert statuses(verify_model(beside))["content"] == "failed"
    told = {item.key: item.value for item in model.metadata_props}
    helper.set_model_props(model, {key: told[key] for key in told if not key.startswith("archspec.optimized")})
    onnx.save(model, beside)
    write_provenance(beside, facts, facts.names)
    found = verify_model(path)
    assert {name for name, status in statuses(found).items() if status == "failed"} == {"optimized"}
    assert "differs from m.onnx by" in text_of(found, "optimized")


def test_times_are_not_trusted(tmp_path: Path) -> None:
    """A session trusts them, and a verification reads every number."""
    path = export(tmp_path, *make())
    beside = write_optimized(path)
    (data,) = tmp_path.glob(f"{beside.name}.*.data")
    found, content = data.stat(), bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    os.utime(data, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert find_optimized(ModelFile.open(path)) == beside
    wrong = verify_model(path)
    assert (statuses(wrong)["optimized"], wrong.passed) == ("failed", False)
    assert f"a session here loads {beside.name} instead" in text_of(wrong, "optimized")
    assert "its data are not what was written" in text_of(wrong, "optimized")
    data.touch()
    assert find_optimized(ModelFile.open(path)) is None
    unused = verify_model(path)
    assert (statuses(unused)["optimized"], unused.passed) == ("noted", True)
