"""Files whose every name moves the cursor, writes the clipboard, turns the writing or is markup: nothing of that
reaches a terminal, whatever the command."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from typer.testing import CliRunner

from archspec.cli.main import app
from tests.support.pngs import write_png

EVIL = "\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\u202e\u2028\r\n\t\x7f[red]x[/red][/]:cat:"
FILE = EVIL.replace("/", "")
FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
PREPROCESS = json.dumps({"channels": 3, "height": 8, "width": 8, "mean": [0] * 3, "std": [1] * 3})
FACTS = {
    "archspec.preprocess": PREPROCESS,
    "archspec.classes": json.dumps([f"{EVIL}{number}" for number in range(3)]),
    "archspec.task": "maps",
    EVIL: EVIL,
}
OTHERS = {
    "task": {"archspec.task": EVIL},
    "classes": {"archspec.classes": EVIL},
    "preprocess": {"archspec.preprocess": json.dumps({EVIL: 1})},
    "stride": {"archspec.stride": EVIL},
    "sizes": {"archspec.sizes": json.dumps({EVIL: {EVIL: 3}})},
}


def build(metadata: dict[str, str], size: int | str = 8) -> onnx.ModelProto:
    image, weight, middle, output = (f"{EVIL}{name}" for name in ("image", "weight", "middle", "output"))
    shape: list[str | int | None] = [f"{EVIL}N", 3, size, size]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", [image, weight], [middle], name=f"{EVIL}conv", doc_string=EVIL),
            helper.make_node("Relu", [middle], [output], name=f"{EVIL}relu"),
        ],
        EVIL,
        [helper.make_tensor_value_info(image, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.eye(3, dtype=np.float32)[:, :, None, None], weight)],
        doc_string=EVIL,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name=EVIL)
    helper.set_model_props(model, metadata)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hostile")
    every: dict[str, dict[str, str]] = {"good": {}} | OTHERS
    for name, changes in every.items():
        (made / f"{name}.onnx").write_bytes(build(FACTS | changes).SerializeToString())
    (made / "open.onnx").write_bytes(build(FACTS, f"{EVIL}H").SerializeToString())
    unknown = build(FACTS)
    unknown.graph.node[1].op_type = unknown.graph.node[1].domain = EVIL
    unknown.opset_import.append(helper.make_opsetid(EVIL, 1))
    (made / "unknown.onnx").write_bytes(unknown.SerializeToString())
    missing = build(FACTS)
    missing.graph.node[0].input[1] = f"{EVIL}missing"
    (made / "missing.onnx").write_bytes(missing.SerializeToString())
    outside = build(FACTS)
    tensor = outside.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=FILE)
    (made / "outside.onnx").write_bytes(outside.SerializeToString())
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(made / "a.png")
    np.save(made / "two.npy", np.zeros((2, 8, 8), np.float32))
    (made / f"{FILE}.png").write_bytes(b"x")
    write_png(made / f"{FILE}16.png", np.full((8, 8, 1), 99), 16)
    (made / f"{FILE}.yaml").write_text("archspec: 1\ninputs: {x: [3]}\nnetwork: [relu]\n", encoding="utf-8")
    return made


def list_commands(*, briefly: bool = False) -> list[tuple[str, ...]]:
    run = ("run", "good.onnx", "a.png", "two.npy", f"{FILE}.png", f"{FILE}16.png")
    few = [(*run, "--pictures", "drawn", "-o", "kept.npz"), ("verify", "good.onnx"), ("show", "good.onnx")]
    if briefly:
        return [*few, ("bench", "good.onnx", "--seconds", "0.1", "--batch", "1")]
    broken = [
        (*words, f"{name}.onnx") for words in (("verify",), ("analyze",)) for name in ("unknown", "missing", "outside")
    ]
    return [
        *few,
        *broken,
        (*run, "--json"),
        ("run", "good.onnx", "."),
        ("run", "good.onnx", "a.png", "--task", "raw"),
        ("run", "good.onnx", "a.png", "--task", "labels"),
        ("run", "good.onnx", "a.png", "--output-name", EVIL),
        *(("run", f"{name}.onnx", "a.png") for name in (*OTHERS, "unknown", "missing", "outside")),
        ("verify", "good.onnx", "--json"),
        ("analyze", "good.onnx", "--all"),
        ("analyze", "good.onnx", "--all", "--json"),
        ("analyze", "open.onnx"),
        ("show", "unknown.onnx"),
        ("lint", "good.onnx"),
        ("lint", "unknown.onnx", "--json"),
        ("diff", "good.onnx", "unknown.onnx"),
        ("diff", "good.onnx", "task.onnx", "--json"),
        ("bench", "open.onnx", "--seconds", "0.1", "--batch", "1"),
        ("bench", "good.onnx", f"--{EVIL}"),
        ("draw", "good.onnx", "-o", "drawn.mmd"),
        ("assert", "good.onnx", f"{EVIL} < 3"),
        ("unravel", "good.onnx"),
        ("check", f"{FILE}.yaml"),
        ("analyze", f"{FILE}.yaml"),
    ]


def test_nothing_is_printed_that_is_no_letter(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(folder)
    codes, shown = [], 0
    for words in list_commands():
        result = CliRunner().invoke(app, words)
        said = result.output + (str(result.exception) if isinstance(result.exception, UnicodeError) else "")
        assert not FORBIDDEN.search(said), (words, FORBIDDEN.findall(said), said)
        codes.append(result.exit_code)
        shown += r"\x1b]52;c;aGk=" in said
    assert FORBIDDEN.search(EVIL)
    assert shown > 10
    assert {0, 1, 2} >= set(codes)
    assert codes.count(0) > 10
    assert any("uses 16 bits up to 99" in message for message in caplog.messages)
    assert not any(FORBIDDEN.search(message) for message in caplog.messages)


@pytest.mark.skipif(not hasattr(os, "forkpty"), reason="a terminal of its own needs a system that has them")
def test_nothing_reaches_a_terminal_either(folder: Path) -> None:
    """Only the sequences with which rich colours, and moves the cursor of its own bars, and only where it says so."""
    said = run_in_terminal(folder, list_commands(briefly=True))
    assert "no PNG or JPEG" in said
    assert "aGk=" in said
    plain = re.sub(r"\x1b\[[0-9;]*[mAK]|\x1b\[\?25[hl]|\r", "", said)
    assert not FORBIDDEN.search(plain), (FORBIDDEN.findall(plain), plain)
    assert "\x1b[2J" not in said


def run_in_terminal(folder: Path, commands: Sequence[Sequence[str]]) -> str:
    """What commands, all in one process, write to a terminal."""
    import pty

    code = """
import sys
from archspec.cli.main import main
for words in {!r}:
    sys.argv[1:] = words
    try:
        main()
    except SystemExit:
        pass
"""
    root = str(Path(__file__).parents[3])
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.environ |= {"PYTHONPATH": root, "TERM": "xterm", "COLUMNS": "100"}
        os.execv(sys.executable, [sys.executable, "-c", code.format([list(words) for words in commands])])
    parts = []
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.waitpid(process, 0)
    os.close(terminal)
    return b"".join(parts).decode()


def test_nor_are_names_of_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each on one line: a name that goes on in another could say anything there."""
    monkeypatch.chdir(tmp_path)
    name = f"{FILE}\nwrote"
    commands = [
        ("export", "residual_mlp", "--no-verify", "-o", f"{name}.onnx"),
        ("draw", "mlp", "-o", f"{name}.svg"),
        ("unravel", "residual_mlp", "-o", f"{name}.svg", "--json"),
        ("report", "mlp", "-o", f"{name}.html"),
        ("init", f"{name}.yaml"),
        ("fit", "mlp", "--vary", "width=8..16", "--budget", "params<=1M", "-o", f"{name}2.yaml"),
    ]
    for words in commands:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        assert not FORBIDDEN.search(result.output), (words, result.output)
        assert sum(line.startswith("wrote") for line in result.output.splitlines()) <= 1, result.output
    assert len(list(tmp_path.glob("*wrote*"))) == 5
