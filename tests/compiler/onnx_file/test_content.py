"""The content of a file: the same whatever writes the same model down, another for any other model."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import xxhash
from google.protobuf.message import Message
from onnx import TensorProto, helper, numpy_helper

from archspec.api import to_onnx
from compiler.onnx_file.content import Content, read_content, read_fingerprint
from compiler.onnx_file.digest import abbreviate, digest_model
from compiler.onnx_file.metadata import CONTENT
from compiler.onnx_file.protobuf import delimit, walk_fields
from compiler.onnx_target import write
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import to_bytes, write_model
from runtime.export.plan import Calibration
from tests.support.contents import EVERYTHING, GRAPH, SAVES, copy, digest, draw_weights, save
from tests.support.lowering import Arrays
from tests.support.models import build_linear
from tests.support.twins import build_twins


@pytest.fixture(scope="module")
def weights() -> Arrays:
    return draw_weights()


def read(path: Path) -> Content:
    """What a file says must be what it is."""
    content = read_content(path)
    assert content.said == content.found
    return content


# What an export writes.


@pytest.mark.parametrize(
    ("precision", "most"),
    [
        *((precision, write.MAX_FILE_BYTES) for precision in ("fp32", "fp16", "bf16", "int8")),
        *((precision, 10_000) for precision in ("fp32", "fp16", "bf16")),
    ],
)
def test_an_exported_file_says_its_content(
    precision: str, most: int, weights: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "MAX_FILE_BYTES", most)
    np.save(tmp_path / "images.npy", np.random.default_rng(0).standard_normal((8, 1, 8, 8)).astype(np.float32))
    to_onnx(
        GRAPH,
        weights,
        tmp_path / "m.onnx",
        verify=False,
        options=ExportOptions(precision=precision),  # type: ignore[arg-type]
        calibration=Calibration(data=tmp_path / "images.npy", method="minmax") if precision == "int8" else None,
    )
    read(tmp_path / "m.onnx")


def test_it_does_not_depend_on_where_the_weights_lie(
    weights: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_model(GRAPH, weights)
    write_model(model, tmp_path / "one.onnx")
    monkeypatch.setattr(write, "MAX_FILE_BYTES", 10_000)
    write_model(model, tmp_path / "two.onnx")
    (data,) = tmp_path.glob("two.onnx.*.data")
    one, two = read(tmp_path / "one.onnx"), read(tmp_path / "two.onnx")
    assert one == two
    assert data.name == f"two.onnx.{abbreviate(two.found)}.data"


def test_it_is_of_network_weights_and_choices(weights: Arrays, tmp_path: Path) -> None:
    other = {name: value.copy() for name, value in weights.items()}
    other["linear_0.bias"][3] += 1
    models = [
        build_model(GRAPH, weights),
        build_model(GRAPH, other),
        build_model(GRAPH, weights, options=ExportOptions(precision="fp16")),
        build_model(GRAPH, weights, metadata={"archspec.classes": "[]"}),
        build_model(GRAPH, weights),
    ]
    found = []
    for model in models:
        (tmp_path / "m.onnx").write_bytes(to_bytes(model))
        found.append(read(tmp_path / "m.onnx").found)
    assert len(set(found)) == 4
    assert found[0] == found[4]


def test_it_is_no_signature(tmp_path: Path) -> None:
    """Two models of one content, made on purpose, and their fingerprints. In the control two other numbers, as far
    apart, have changed places."""
    first, second = build_twins()
    control = {**first, "weight": first["weight"].copy()}
    control["weight"][0, [2, 18]] = first["weight"][0, [18, 2]]
    paths = [
        save(build_linear(one["weight"], one["bias"]), tmp_path / f"{n}.onnx")
        for n, one in enumerate((first, second, control))
    ]
    contents = [read_content(path).found for path in paths]
    assert contents[0] == contents[1] != contents[2]
    assert not np.array_equal(first["weight"], second["weight"])
    assert len({read_fingerprint(path) for path in paths}) == 3


def test_it_stays_what_it_is() -> None:
    """Else files that were written before would no longer be what they say."""
    weight = numpy_helper.from_array(np.arange(64, dtype=np.float32), "w")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [64]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weight])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    assert xxhash.xxh3_128_hexdigest(b"") == "99aa06d3014798d86001c324468d497f"  # as xxHash's own tests have it
    assert digest(model) == "xxh3:5cbe8194044c474f309f85d627ae9553"


# The same model, written down in another way: by onnx, which knows nothing of it.


@pytest.mark.parametrize("way", SAVES)
def test_onnx_may_load_and_save_an_export(way: str, weights: Arrays, tmp_path: Path) -> None:
    write_model(build_model(GRAPH, weights), tmp_path / "m.onnx")
    (tmp_path / "again").mkdir()
    SAVES[way](onnx.load(tmp_path / "m.onnx"), tmp_path / "again" / "m.onnx")
    assert read(tmp_path / "again" / "m.onnx") == read(tmp_path / "m.onnx")
    (tmp_path / "back").mkdir()
    onnx.save(onnx.load(tmp_path / "again" / "m.onnx"), tmp_path / "back" / "m.onnx")
    assert read(tmp_path / "back" / "m.onnx") == read(tmp_path / "m.onnx")


@pytest.mark.parametrize("way", SAVES)
def test_onnx_may_save_anything(way: str, tmp_path: Path) -> None:
    SAVES[way](copy(EVERYTHING), tmp_path / "m.onnx")
    assert read_content(tmp_path / "m.onnx") == Content(digest(EVERYTHING), "0" * 32)
    assert read_fingerprint(tmp_path / "m.onnx") == digest_model(copy(EVERYTHING), hashlib.sha256)


def test_bytes_and_numbers_one_by_one_are_the_same() -> None:
    model = copy(EVERYTHING)
    model.graph.initializer.sort(key=lambda tensor: tensor.name)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("listed"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
            assert tensor.raw_data
    assert digest(model) == digest(EVERYTHING)


@pytest.mark.parametrize(("kind", "more"), [(TensorProto.BOOL, 1 << 8), (TensorProto.FLOAT16, 1 << 16)], ids=str)
def test_what_a_type_cannot_hold_is_no_other_number(kind: int, more: int, tmp_path: Path) -> None:
    """ONNX Runtime takes 256 for true, and refuses a float16 of 17 bits: neither is what remains when it is cut."""
    tensor = helper.make_tensor("c", kind, [2], [0, 1])
    nodes = [helper.make_node("Cast", ["c"], ["y"], to=TensorProto.FLOAT)]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph(nodes, "g", [], [result], [tensor])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    wider = copy(model)
    wider.graph.initializer[0].int32_data[0] += more
    assert wider.graph.initializer[0].int32_data[0] % more == tensor.int32_data[0]  # equal where both are cut
    assert compute(model) != compute(wider)
    assert digest(model) != digest(wider)


def compute(model: onnx.ModelProto) -> list[float] | None:
    try:
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return [float(value) for value in session.run(None, {})[0]]
    except Exception:  # onnxruntime's exceptions have no common base but this
        return None


def test_blanks_and_its_own_entry_do_not_count(tmp_path: Path) -> None:
    model = copy(EVERYTHING)
    model.doc_string = " " * 40
    for tensor in model.graph.initializer:
        tensor.doc_string = "  "
    next(entry for entry in model.metadata_props if entry.key == CONTENT).value = "other"
    assert digest(model) == digest(EVERYTHING)
    assert read_content(save(model, tmp_path / "m.onnx")) == Content(digest(EVERYTHING), "other")


def shuffle(data: bytes, kind: Message, chance: random.Random) -> bytes:
    """The same message with its fields in another order; those of one number stay in theirs."""
    inner = {field.number: field.message_type for field in kind.DESCRIPTOR.fields if field.message_type is not None}
    places: dict[int, list[bytes]] = {}
    for field in walk_fields(data, 0, len(data)):
        text = data[field.key : field.end]
        if field.number in inner:
            prototype = getattr(onnx, inner[field.number].name, None)
            if prototype is not None:
                text = delimit(field.number, shuffle(data[field.start : field.end], prototype(), chance))
        places.setdefault(field.number, []).append(text)
    order = [number for number, texts in places.items() for _ in texts]
    chance.shuffle(order)
    return b"".join(places[number].pop(0) for number in order)


@pytest.mark.parametrize("seed", range(5))
def test_fields_may_come_in_any_order(seed: int, tmp_path: Path) -> None:
    data = shuffle(EVERYTHING.SerializeToString(), onnx.ModelProto(), random.Random(seed))
    assert data != EVERYTHING.SerializeToString()
    (tmp_path / "m.onnx").write_bytes(data)
    assert read_content(tmp_path / "m.onnx").found == digest(EVERYTHING)


READ = """
import sys
from pathlib import Path
from google.protobuf.internal import api_implementation
from compiler.onnx_file.content import read_content
print(api_implementation.Type(), read_content(Path(sys.argv[1])).found)
"""


def test_another_protobuf_finds_the_same(tmp_path: Path) -> None:
    """The one in pure Python."""
    path = save(EVERYTHING, tmp_path / "m.onnx")
    said = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
    )
    assert said.stdout.split() == ["python", digest(EVERYTHING)]
