"""The command line, as a user types it: words, exit codes, JSON, and what is never loaded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from archspec.cli.main import app
from archspec.cli.starter import SCHEMA_NAME
from archspec.spec.zoo import ZOO, zoo_specs

HEAVY = ("torch", "onnx", "onnxruntime", "sklearn", "PIL")
COMMANDS = {
    *("check", "list", "show", "init", "schema", "lint", "explain"),
    *("analyze", "unravel", "diff", "assert", "fit", "draw", "report"),
    *("train", "export", "verify", "evaluate", "run", "bench", "tune", "doctor"),
    *("shattering", "surface", "lesion"),
}


def archspec(*words: str | Path, expect: int = 0, cwd: Path | None = None) -> str:
    """Run a command in a process of its own; its whole output."""
    command = [sys.executable, "-m", "archspec", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_the_commands_are_these() -> None:
    """Scripts depend on them: a change here is a change for users."""
    assert {*get_command(app).commands} == {*COMMANDS, "weights"}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output
    assert not re.search(r" \.\s", result.output)  # a word in brackets would be taken for markup, and be gone


@pytest.mark.parametrize(
    "words", [("--help",), ("--version",), ("check", "resnet18"), ("analyze", "resnet18", "--json"), ("show", "se_net")]
)
def test_nothing_heavy_is_loaded(words: tuple[str, ...]) -> None:
    code = f"""
import sys
from archspec.cli.main import main
sys.argv = ["archspec", *{words!r}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print("loaded", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"


def test_help_keeps_what_stands_in_brackets() -> None:
    """rich would read `[x]` as markup."""
    assert "y = x + f1[x] + f2[x + f1[x]] + …" in archspec("unravel", "--help")


def test_the_bound_is_elaborations() -> None:
    from archspec.cli import options
    from compiler.elaborate.elaborate import MAX_NODES

    assert options.MAX_NODES == MAX_NODES


def test_size_of_a_mini_batch_is_the_runtimes() -> None:
    from archspec.cli import options
    from runtime.evaluation.monte_carlo import MC_BATCH

    assert options.MC_BATCH == MC_BATCH


def test_check_takes_a_block_library() -> None:
    library = ZOO / "blocks" / "resnet.yaml"
    assert archspec("check", library).strip() == f"{library}: ok"
    assert "block library" in archspec("show", library, expect=2)


def test_check_reports_every_mistake_with_its_place(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text("archspec: 1\ninputs: {x: [3, 8, 8]}\nnetwork:\n  - max_pol\n  - conv: {out: 2, kernal: 3}\n")
    output = archspec("check", spec, "resnet18", expect=1)
    assert f"{spec}:4:5: error[unknown-node]: unknown node 'max_pol'; did you mean 'max_pool'?" in output
    assert f"{spec}:5:20: error[unknown-field]: unknown field 'kernal' of conv; did you mean 'kernel'?" in output
    assert "resnet18: ok" in output
    assert "2 mistakes" in output
    mistakes = json.loads(archspec("check", spec, "--json", expect=1))
    assert [(item["code"], item["line"], item["column"]) for item in mistakes] == [
        ("unknown-node", 4, 5),
        ("unknown-field", 5, 20),
    ]


def test_a_file_that_cannot_be_read_outweighs_mistakes(tmp_path: Path) -> None:
    """A script that counts mistakes should learn that it did not see all."""
    (tmp_path / "net.yaml").write_text("archspec: 1\ninputs: {x: [3]}\nnetwork: [rellu]\n")
    output = archspec("check", "net.yaml", "nowhere.yaml", expect=2, cwd=tmp_path)
    assert output.splitlines()[3] == "nowhere.yaml: error[unreadable]: cannot be read: No such file or directory"
    found = json.loads(archspec("check", "net.yaml", "nowhere.yaml", "--json", expect=2, cwd=tmp_path))
    assert [(item["line"], item["column"]) for item in found] == [(3, 11), (None, None)]


@pytest.mark.skipif(sys.platform == "win32", reason="the pipes of a shell")
@pytest.mark.parametrize(
    ("words", "expected"),
    [(("list",), 0), (("schema",), 0), (("lint", "densenet121", "--size", "H=250"), 1), (("show", "nowhere"), 2)],
)
def test_a_reader_that_goes_changes_no_exit_code(words: tuple[str, ...], expected: int) -> None:
    """`archspec list | head`: whatever fits into the pipe, and whatever is buffered."""
    command = [sys.executable, "-m", "archspec", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == expected


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
def test_output_that_cannot_be_written_is_a_failure() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "archspec", "schema"], stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, b"error: No space left on device\n")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("check", "resnt50"), 2, "did you mean 'resnet50'?"),
        (("check", "nowhere.yaml"), 2, "cannot be read: No such file"),
        (("show", "resnet18", "--set", "clases=3"), 2, "did you mean 'classes'?"),
        (("show", "resnet18", "--set", "classes=[1"), 2, "--set classes"),
        (("show", "resnet18", "--set", "classes=!!python/name:os.system"), 2, "tags are not part"),
        (("show", "resnet18", "--set", "depths=3"), 2, "`depths` should be a list"),
        (("show", "resnet18", "--size", "D=3"), 2, "no dynamic size 'D'"),
        (("show", "resnet18", "--size", "H=x"), 2, "whole number"),
        (("show", "resnet18", "--set", "classes"), 2, "NAME=VALUE"),
        (("analyze", "resnet18", "--max-nodes", "10"), 2, "more than 10 nodes"),
        (("analyze", "resnet18", "--precision", "int3"), 2, "'int3' is not one of 'fp32'"),
        (("analyze", "resnet18", "--batch", "9" * 400), 2, "less than or equal to"),
        (("analyze", "resnet18", "--measure"), 2, "goes with --variance or --gradient"),
        (("analyze", "resnet18", "--every"), 2, "goes with --variance"),
        (("analyze", "nowhere.onnx", "--all", "--measure"), 2, "of a spec"),
        (("unravel", "mlp", "-o", "paths.png"), 2, "name it FILE.svg, found 'paths.png'"),
        (("report", "mlp", "-o", "report.pdf"), 2, "name it FILE.html"),
        (("frobnicate",), 2, "No such command"),
        (("train", "resnet_digits", "--data", "digit"), 2, "did you mean 'digits'?"),
        (("train", "resnet20", "--data", "digits"), 2, "takes 3×8×8; the images of digits are 1×8×8"),
        (("train", "resnet_digits", "--data", "digits", "--set", "classes=3"), 2, "digits has 10 classes"),
        (("export", "resnet_digits", "--weights", "nowhere.safetensors"), 2, "nowhere.safetensors"),
        (("run", "nowhere.onnx", "x.png"), 2, "nowhere.onnx does not exist"),
        (("bench", "nowhere.onnx"), 2, "nowhere.onnx does not exist"),
        (("evaluate", "nowhere"), 2, "nowhere"),
        (("init", "net.txt"), 2, "should end in .yaml"),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    assert message in " ".join(archspec(*words, expect=code, cwd=tmp_path).split())


def test_init_writes_a_spec_that_is_sound(tmp_path: Path) -> None:
    spec = tmp_path / "my_net.yaml"
    archspec("init", spec)
    assert archspec("check", spec).strip() == f"{spec}: ok"
    first = spec.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema=./{SCHEMA_NAME}"
    schema = json.loads((tmp_path / SCHEMA_NAME).read_text(encoding="utf-8"))
    assert schema == json.loads(archspec("schema"))
    before = spec.read_text(encoding="utf-8")
    assert "--force" in archspec("init", spec, expect=2)
    assert spec.read_text(encoding="utf-8") == before
    archspec("init", spec, "--force")


def test_list_has_the_whole_zoo() -> None:
    rows = json.loads(archspec("list", "--json"))
    assert {row["name"] for row in rows} == set(zoo_specs())
    assert {row["parameters"] for row in rows if row["name"] == "resnet50"} == {25557032}
    assert "25.6 M" in archspec("list")


def test_analyze_json_has_the_promised_rows() -> None:
    report = json.loads(
        archspec("analyze", "resnet50", "--json", "--set", "classes=10", "--size", "H=256", "--batch", "4")
    )
    assert report["sizes"] == {"H": 256, "W": 224}
    assert report["inputs"] == {"image": [3, 256, 224]}
    assert report["outputs"] == {"output": [10]}
    assert report["parameters"] == {"trainable": 23528522, "frozen": 0, "buffers": 53120}
    assert report["paths"]["block"]["by_length"]["1"] == 16
    assert report["activations"]["bytes_fp32"] == 16 * report["activations"]["elements"]


def test_analyze_prints_numbers_of_any_length() -> None:
    output = archspec("analyze", "residual_mlp", "--set", "blocks=20000", "--max-nodes", "200000")
    assert "2^20000" in output
    report = json.loads(archspec("analyze", "residual_mlp", "--set", "blocks=1001", "--json"), parse_int=str)
    assert report["paths"]["block"]["total"] == str(2**1001)


def test_show_folds_repeats_and_adds_up() -> None:
    output = archspec("show", "resnet50")
    assert "×5" in output
    assert "25,557,032" in output
    tree = json.loads(archspec("show", "resnet50", "--json"))

    def total(branch: dict[str, object], key: str) -> int:
        children = branch.get("children")
        if not children:
            return int(branch[key])  # type: ignore[call-overload, no-any-return]
        return sum(total(child, key) * child["times"] for child in children)

    assert total(tree, "parameters") == tree["parameters"] == 25557032
    assert total(tree, "macs") == tree["macs"] == 4089184256


def test_the_whole_way_by_hand(tmp_path: Path) -> None:
    """train, export, evaluate, run, bench; two epochs are enough to see that each step feeds the next."""
    run = tmp_path / "run"
    output = archspec(
        "train", "resnet_digits", "--data", "digits", "-o", run, "--epochs", "2", "--set", "widths=[4,8,8]"
    )
    assert "test accuracy" in output
    weights, model = run / "weights.safetensors", run / "model.onnx"
    spec = run / "spec.yaml"
    assert archspec("check", spec).strip() == f"{spec}: ok"
    exported = json.loads(archspec("export", spec, "--weights", weights, "-o", model, "--json"))
    assert exported["trained"] is True
    assert exported["proof"]["worst"] < 1e-4
    again = tmp_path / "again.onnx"
    archspec("export", spec, "--weights", weights, "-o", again, "--no-verify")
    assert again.read_bytes() == model.read_bytes()
    found = json.loads(subprocess_stdout("evaluate", run, "--json"))
    assert found["equal_predictions"] == found["test_images"] == 360
    samples = sorted((run / "samples").glob("*.png"))
    rows = json.loads(subprocess_stdout("run", model, *samples, "--json"))
    assert len(rows) == len(samples) == 10
    assert all(0 <= row["probability"] <= 1 for row in rows)
    archspec("bench", model, "--batch", "2", "--seconds", "0.1")
    assert (run / "predictions.png").stat().st_size > 1000


def test_raw_outputs_are_kept(tmp_path: Path) -> None:
    model, array, kept = tmp_path / "m.onnx", tmp_path / "x.npy", tmp_path / "y.npz"
    archspec("export", "residual_mlp", "-o", model)
    np.save(array, np.ones((2, 100), np.float32))
    assert "wrote" in archspec("run", model, array, "-o", kept)
    with np.load(kept) as outputs:
        assert outputs["output"].shape == (2, 1)


def test_names_are_printed_as_they_are(tmp_path: Path) -> None:
    """rich would read markup and emoji in them, and stumble over an end without a start."""
    archspec("export", "residual_mlp", "-o", tmp_path / "m.onnx")
    (tmp_path / "[red]x[").mkdir()
    names = ("[red]x[/y].npy", ":cat:.npy")
    for name in names:
        np.save(tmp_path / name, np.ones((1, 100), np.float32))
    output = archspec("run", "m.onnx", *names, cwd=tmp_path)
    assert all(name in output for name in names)


def test_a_name_with_an_escape_sequence_is_refused(tmp_path: Path) -> None:
    for name in ("\\e[31mred", "\\u202eder"):
        text = f'archspec: 1\nname: "{name}"\ninputs: {{x: [3]}}\nnetwork: [relu]\n'
        (tmp_path / "net.yaml").write_text(text, encoding="utf-8")
        output = archspec("analyze", tmp_path / "net.yaml", expect=2)
        assert "net.yaml:2:7: error[bad-value]: `name` of a document should be one line" in output
        assert "\x1b" not in output
        assert "\u202e" not in output


def test_a_model_is_no_spec(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\xff")
    assert "this is an ONNX model, not a spec" in archspec("check", "model.onnx", expect=2, cwd=tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    """As /dev/null, which root could replace."""
    os.mkfifo(tmp_path / "pipe.svg")
    assert "it is no regular file" in archspec("draw", "mlp", "-o", "pipe.svg", expect=2, cwd=tmp_path)
    assert (tmp_path / "pipe.svg").is_fifo()


def test_tables_keep_to_the_columns_that_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    lines = archspec("analyze", "resnet18", "--paths", "--receptive-field", "--memory").splitlines()
    assert max(map(len, lines)) <= 70
    assert "repeat_0.i0.repeat_0.i0.basic_block_0" in "".join(lines).replace(" ", "")


def test_a_full_disk_is_said_without_a_traceback() -> None:
    code = """
import errno
from archspec.cli import main as cli
def fail():
    print("what is buffered")
    raise OSError(errno.ENOSPC, "No space left on device")
cli.app = fail
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: No space left on device\n")


def test_an_error_is_one_line_whatever_stands_in_it(tmp_path: Path) -> None:
    code = "import sys; from archspec.cli.main import main; main()"
    for name in ("\x1b[31mred\n.onnx", "m" * 5000 + ".onnx"):
        words = [sys.executable, "-c", code, "bench", name]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "\x1b" not in done.stderr
        assert len(done.stderr) < 2100


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_file_name_that_is_no_text_is_printed_all_the_same(tmp_path: Path) -> None:
    code = "from archspec.cli.main import main; main()"
    words = [sys.executable, "-c", code, "export", "mlp", "--no-verify", "-o", tmp_path / os.fsdecode(b"m\xff.onnx")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "m\\udcff.onnx" in done.stdout


def test_doctor_tells_versions_and_never_fails() -> None:
    report = json.loads(subprocess_stdout("doctor", "--json"))
    assert report["versions"]["torch"]
    assert {attempt["provider"] for attempt in report["attempts"]} == {"tensorrt", "cuda", "cpu"}


def subprocess_stdout(*words: str | Path) -> str:
    """Standard output alone: a missing GPU is said on the other one."""
    command = [sys.executable, "-m", "archspec", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_largest_batch_that_fits() -> None:
    """One sample more is beyond the budget, by the same memory as `--batch` counts."""
    found = json.loads(archspec("analyze", "resnet18", "--memory", "--fits", "2GB", "--json"))["largest_batch"]
    assert found["bytes"] == 2 * 10**9
    totals = [
        json.loads(archspec("analyze", "resnet18", "--memory", "--batch", batch, "--json"))["memory"]
        for batch in (found["batch"], found["batch"] + 1)
    ]
    assert totals[0]["training_total_bytes"] <= found["bytes"] < totals[1]["training_total_bytes"]
    assert "not even one sample" in archspec("analyze", "resnet18", "--memory", "--fits", "1kB")
    assert "--fits goes with --memory" in archspec("analyze", "resnet18", "--fits", "2GB", expect=2)
    assert "is no number" in archspec("analyze", "resnet18", "--memory", "--fits", "much", expect=2)
