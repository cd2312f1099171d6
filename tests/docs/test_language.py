"""The page of the language equals the code: layers, structure nodes, keys, bounds and codes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from archspec import errors
from archspec.api import accepted_sizes, elaborate, load
from archspec.bounds import MAX_NODES, MAX_WHOLE
from archspec.ops import LAYERS
from archspec.spec import arithmetic, blocks, body, document, expressions, text, values
from archspec.spec import load as loading
from archspec.spec.body import COMMON
from compiler.elaborate import bodies

ROOT = Path(__file__).resolve().parents[2]
LANGUAGE = ROOT / "docs" / "language.md"


def read_rows(page: Path, heading: str = "") -> set[tuple[str, ...]]:
    """The cells of every table of a page, or of the part of it below a heading, up to the next of its kind."""
    content = page.read_text(encoding="utf-8")
    if heading:
        content = content.partition(f"\n{heading}\n")[2].partition(f"\n{heading.split()[0]} ")[0]
    rows = (line for line in content.splitlines() if line.startswith("|"))
    return {tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in rows}


def test_main_fields_are_listed() -> None:
    listed = {row for row in read_rows(LANGUAGE, "### Layers") if row[0].strip("`") in LAYERS}
    assert listed == {(f"`{kind}`", f"`{op.main}`") for kind, op in LAYERS.items() if op.main}


def test_defaults_of_structure_nodes_are_listed() -> None:
    listed = {row for row in read_rows(LANGUAGE, "### defaults") if row[0].startswith("`")}
    words = {word: ", ".join(f"`{name}`" for name in node.settings) for word, node in body.STRUCTURE.items()}
    assert listed == {(f"`{word}`", settings) for word, settings in words.items() if settings}


def test_keys_of_a_document_are_listed() -> None:
    keys = {f"`{info.alias or name}`" for name, info in document.Document.model_fields.items()}
    assert keys == {row[0] for row in read_rows(LANGUAGE, "## A document") if row[0].startswith("`") and len(row) == 3}


@pytest.mark.parametrize("word", [*body.STRUCTURE, "blocks"])
def test_fields_of_a_structure_node_are_named(word: str) -> None:
    """Between the node's heading and the next one, or in that of the family it belongs to."""
    page = LANGUAGE.read_text(encoding="utf-8")
    model = body.STRUCTURE.get(word) or blocks.Block
    part = next(part for part in re.split(r"^##+ ", page, flags=re.M) if re.match(rf"(.*\W)?{word}\b.*\n", part, re.I))
    fields = {info.alias or name for name, info in model.model_fields.items()} - COMMON
    loop = {"n", "each", "as"} if "#repeat" in part else set()  # told once, there
    assert {name for name in fields - loop if not re.search(rf"`{name}\b|\b{name}`|\b{name}:", part)} == set()


BOUNDS = {
    "bytes of a file": text.MAX_BYTES,
    "levels of a document": text.MAX_DEPTH,
    "aliases of a document": text.MAX_ALIASES,
    "nodes of a document, aliases written out": text.MAX_NODES,
    "characters of a number": text.MAX_NUMBER,
    "entries of a list": values.MAX_ITEMS,
    "names of one kind in one scope": values.MAX_NAMES,
    "files that a spec is made of": loading.MAX_FILES,
    "characters of an expression": expressions.MAX_LENGTH,
    "entries of a list that an expression makes": arithmetic.MAX_ENTRIES,
    "levels of an expression": expressions.MAX_DEPTH,
    "absolute value in an expression": expressions.MAX_VALUE,
    "a field, an extent or a size": MAX_WHOLE,
    "nodes and turns of loops that a spec expands to (`--max-nodes` raises it)": MAX_NODES,
    "levels of nodes, block calls included": bodies.MAX_NESTING,
    "characters of a node's whole name": bodies.MAX_PATH,
    "mistakes reported": errors.MAX_MISTAKES,
}


@pytest.mark.parametrize("what", BOUNDS)
def test_bound_is_the_code_s(what: str) -> None:
    assert (what, f"{BOUNDS[what]:,}") in read_rows(LANGUAGE)


def find_codes() -> set[str]:
    """The codes of diagnostics: what stands first in the calls that make or refuse something."""
    makers = {"Diagnostic", "PydanticCustomError", "LookupError", "report", "_report", "_fail", "_refuse"}
    codes: set[str] = set()
    for path in [*(ROOT / "archspec" / "spec").rglob("*.py"), *(ROOT / "compiler").glob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and call.args and name_of(call.func) in makers:
                first = call.args[0]
                choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                codes |= {str(choice.value) for choice in choices if isinstance(choice, ast.Constant)}
            elif isinstance(call, ast.Call) and name_of(call.func) == "ExpressionError" and len(call.args) == 2:
                codes |= {str(call.args[1].value)} if isinstance(call.args[1], ast.Constant) else set()
    return codes


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_every_code_is_explained() -> None:
    page = LANGUAGE.read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([a-z0-9-]+)` \|", page[page.index("| code |") :], re.M))
    assert find_codes() - explained == set(), "codes that docs/language.md does not explain"
    sources = [*(ROOT / "archspec").rglob("*.py"), *(ROOT / "compiler").rglob("*.py")]
    written = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    assert {code for code in explained if f'"{code}"' not in written} == set(), "codes that no message has"


def test_sizes_of_the_unet_are_those_the_page_says() -> None:
    said = re.search(r"U-Net of the\szoo accepts the sizes (\S+ \+ \S+)", LANGUAGE.read_text(encoding="utf-8"))
    assert said
    assert {str(rule) for rule in accepted_sizes(elaborate(load("unet"))).values()} == {said[1]}
