"""Libraries of blocks and the files that include each other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archspec.errors import Place
from archspec.spec.load import MAX_FILES, load
from compiler.elaborate.elaborate import elaborate
from tests.archspec.spec.texts import (
    HEAD,
    LIBRARY,
    check,
    codes,
    mistakes_in,
    places,
    shapes,
    unmarked,
    write,
    write_all,
)


def test_blocks_of_a_library_are_words(tmp_path: Path) -> None:
    write_all(
        tmp_path,
        {
            "spec.yaml": HEAD + "import: [lib/units]\nnetwork: [unit: {width: 3}, two]\n",
            "lib/units.yml": LIBRARY + "  two: {body: [inner, unit: {width: 2}]}\nimport: [inner]\n",
            "lib/inner.json": '{"archspec": 1, "blocks": {"inner": {"body": ["tanh"]}}}',
        },
    )
    graph = elaborate(load(tmp_path / "spec.yaml"))
    assert shapes(graph) == {
        "unit_0.conv_0": "3×8×8",
        "unit_0.relu_0": "3×8×8",
        "two_0.inner_0.tanh_0": "3×8×8",
        "two_0.unit_0.conv_0": "2×8×8",
        "two_0.unit_0.relu_0": "2×8×8",
    }
    assert graph["two_0.unit_0.conv_0"].source.place == Place(str(tmp_path / "lib" / "units.yml"), 3, 37)
    assert [call.text for call in graph["two_0.unit_0.conv_0"].source.calls] == ["unit(width=2)", "two()"]


def test_library_of_the_zoo(tmp_path: Path) -> None:
    write(tmp_path, HEAD + "import: [blocks/resnet]\nnetwork: [basic_block: {width: 4}]\n")
    assert "basic_block_0.residual_0.add" in elaborate(load(tmp_path / "spec.yaml")).nodes


def test_imports_may_form_a_diamond(tmp_path: Path) -> None:
    write_all(
        tmp_path,
        {
            "spec.yaml": HEAD + "import: [left, right, right.yaml, base]\nnetwork: [l, r, unit: {width: 1}]\n",
            "left.yaml": "archspec: 1\nimport: [base]\nblocks: {l: {body: [unit: {width: 2}]}}\n",
            "right.yaml": "archspec: 1\nimport: [base]\nblocks: {r: {body: [unit: {width: 3}]}}\n",
            "base.yaml": LIBRARY,
        },
    )
    assert len(elaborate(load(tmp_path / "spec.yaml"))) == 7


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../secret", "import-outside"),
        ("../secret.yaml", "import-outside"),
        ("lib/../../secret", "import-outside"),
        ("/etc/passwd", "import-outside"),
        ('"lib\\0.yaml"', "import-outside"),
        ("link", "import-outside"),
        ("linked/secret", "import-outside"),
        ("..", "import-outside"),
        (".", "unknown-import"),
        ("lib", "unknown-import"),
        ("''", "unknown-import"),
        ("fifo", "unknown-import"),
        ("loop", "unknown-import"),
        ("dangling", "import-outside"),
        ("nowhere", "unknown-import"),
        ("n" * 300, "unknown-import"),
        ("n/" * 3000, "unknown-import"),
        ("https://example.com/lib.yaml", "unknown-import"),
        ("'~/lib'", "unknown-import"),
        ("$HOME/lib", "unknown-import"),
        ("blocks/resnett", "unknown-import"),
    ],
)
@pytest.mark.parametrize("key", ["import", "extends"])
def test_imports_stay_inside_and_are_plain_files(tmp_path: Path, key: str, name: str, code: str) -> None:
    root = tmp_path / "root"
    (root / "lib").mkdir(parents=True)
    write(tmp_path, LIBRARY, "secret.yaml")
    (root / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (root / "linked").symlink_to(tmp_path)
    (root / "dangling.yaml").symlink_to(tmp_path / "nothing.yaml")
    (root / "loop.yaml").symlink_to(root / "loop.yaml")
    os.mkfifo(root / "fifo.yaml")
    text = f"{HEAD}import: [▸{name}]\nnetwork: []\n" if key == "import" else f"archspec: 1\nextends: ▸{name}\n"
    plain, expected = unmarked(text)
    (mistake,) = mistakes_in(write(root, plain))
    assert (mistake.code, places([mistake])) == (code, expected), mistake


def test_folders_are_separated_by_slashes(tmp_path: Path) -> None:
    text, _ = unmarked(f"{HEAD}import: ['▸blocks\\mine']\nnetwork: []\n")
    (mistake,) = mistakes_in(write(tmp_path, text))
    assert "there is no 'blocks\\mine'" in mistake.message
    assert mistake.message.endswith("; folders are separated by `/`, on every system")


def test_a_variant_may_be_called_as_the_spec_of_the_zoo_that_it_extends(tmp_path: Path) -> None:
    """It can never mean itself."""
    path = write(tmp_path, "archspec: 1\nextends: resnet18\nparams: {classes: 5}\n", "resnet18.yaml")
    assert load(path).params["classes"] == 5
    assert len(elaborate(load(path))) == len(elaborate(load("resnet18")))


def test_links_inside_are_followed(tmp_path: Path) -> None:
    write(tmp_path, LIBRARY, "lib/units.yaml")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "lib" / "units.yaml")
    write(tmp_path, HEAD + "import: [link, lib/units]\nnetwork: [unit: {width: 1}]\n")
    assert len(elaborate(load(tmp_path / "spec.yaml"))) == 3


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"a.yaml": HEAD + "import: [▸a]\nnetwork: []\n"}, "a → a"),
        ({"a.yaml": HEAD + "import: [b]\nnetwork: []\n", "b.yaml": "archspec: 1\nimport: [▸a]\n"}, "a → b → a"),
        (
            {
                "a.yaml": HEAD + "import: [b]\nnetwork: []\n",
                "b.yaml": "archspec: 1\nimport: [c]\n",
                "c.yaml": "archspec: 1\nimport: [▸b]\n",
            },
            "b → c → b",
        ),
        ({"a.yaml": "archspec: 1\nextends: ▸a\n"}, "a → a"),
        ({"a.yaml": "archspec: 1\nextends: b\n", "b.yaml": "archspec: 1\nextends: ▸a\n"}, "a → b → a"),
        ({"a.yaml": "archspec: 1\nextends: b\n", "b.yaml": "archspec: 1\nimport: [▸a]\n"}, "a → b → a"),
    ],
)
def test_files_that_include_each_other(tmp_path: Path, files: dict[str, str], names: str) -> None:
    check(tmp_path, files, "import-cycle", f"files include each other: {names}")


def test_cycle_is_found_by_relative_paths_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, HEAD + "import: [spec]\nnetwork: []\n")
    monkeypatch.chdir(tmp_path)
    (mistake,) = mistakes_in("spec.yaml")
    assert (mistake.code, str(mistake.place)) == ("import-cycle", "spec.yaml:3:10")


@pytest.mark.parametrize("key", ["import", "extends"])
def test_number_of_files(tmp_path: Path, key: str) -> None:
    for i in range(MAX_FILES + 2):
        following = f"import: [f{i + 1}]" if key == "import" else f"extends: f{i + 1}"
        write(tmp_path, f"archspec: 1\n{following}\n", f"f{i}.yaml")
    (mistake,) = mistakes_in(tmp_path / "f0.yaml")
    assert (mistake.code, mistake.message) == ("too-large", f"a spec is made of at most {MAX_FILES} files")


def test_two_blocks_of_one_name(tmp_path: Path) -> None:
    files = {
        "spec.yaml": HEAD + "import: [one, ▸two]\nblocks: {▸unit: {body: []}}\nnetwork: []\n",
        "one.yaml": LIBRARY,
        "two.yaml": LIBRARY,
    }
    marks = write_all(tmp_path, files)
    found = mistakes_in(tmp_path / "spec.yaml")
    assert codes(found) == ["duplicate-block", "duplicate-block"]
    assert [(item.place.file, item.place.line, item.place.column) for item in found] == marks


def test_mistake_in_a_library_is_told_there(tmp_path: Path) -> None:
    files = {"spec.yaml": HEAD + "import: [lib]\nnetwork: [unit]\n", "lib.yaml": LIBRARY.replace("relu", "▸rellu")}
    marks = write_all(tmp_path, files)
    found = mistakes_in(tmp_path / "spec.yaml")
    assert codes(found) == ["unknown-node", "missing-argument"]
    assert (found[0].place.file, found[0].place.line, found[0].place.column) == marks[0]
    assert found[1].place.file == str(tmp_path / "spec.yaml")


@pytest.mark.parametrize("key", ["params: {a: 1}", "sizes: {H: 8}", "network: []", "inputs: {x: [1]}"])
def test_library_is_blocks_alone(tmp_path: Path, key: str) -> None:
    files = {"spec.yaml": HEAD + "import: [lib]\nnetwork: []\n", "lib.yaml": f"{LIBRARY}▸{key}\n"}
    check(tmp_path, files, "bad-library", "a block library has no")


def test_library_sees_no_blocks_of_its_importer(tmp_path: Path) -> None:
    files = {
        "spec.yaml": HEAD + "import: [lib]\nblocks: {own: {body: []}}\nnetwork: []\n",
        "lib.yaml": "archspec: 1\nblocks: {b: {body: [▸own]}}\n",
    }
    check(tmp_path, files, "unknown-node", "unknown node 'own'")
