"""The shape of the code: where imports run, how long functions and files are, what stands in one place alone, and that
every file finds its tests."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

from archspec.ops import OPS
from tests.support.product import ROOT, list_files, list_functions, parse

MAX_LINES = 350
MAX_FUNCTION_LINES = 45
MAX_PARAMETERS = 7
MAX_ROOMS = 16
MAX_TABLES = 8

WITHOUT_A_TEST_OF_THEIR_NAME: dict[str, tuple[str, ...]] = {
    "archspec/arrays.py": ("tests/runtime/tasks/test_task.py",),
}
"""Files that have no test at the mirrored path, and the files that test each."""

TABLES_OF_OPERATIONS: dict[str, str] = {
    "archspec/spec/arithmetic.py:ARITHMETIC": "Python's syntax, whose classes of operators have the same names",
    "compiler/onnx_source/ops/sequences.py:LAYERS": "ONNX's words for the recurrent layers of the language",
    "compiler/onnx_source/rules/windows.py:ACTIVATIONS": "ONNX Runtime's words for activations in a convolution",
    "compiler/onnx_source/simplify/blocks.py:SHORTCUT": "what exporters write on shortcuts, as found in their files",
    "compiler/onnx_target/fast_path.py:BLOCKED": "a fact of one version of ONNX Runtime, and of no operation",
    "compiler/onnx_target/rows.py:IN_ROWS": "which rules write rows too: a fact of the rules, and of no operation",
    "compiler/passes/merge_pads.py:MERGES": "the rules of the pass itself, one for each pair that it merges",
}
"""Tables of operations' classes outside `archspec/ops`, `path:NAME`, and why each is no trait."""


SHARED_NAMES: dict[str, str] = {
    "compiler/torch_target": "a torch module has the name of the operation that it computes",
    "compiler/onnx_source/ops": "a class's name is its kind, which messages and counts say: `Input`, `Pool`",
}
"""Folders whose classes may have the names of operations in `archspec/ops`, and why."""

NO_BEGINNING = re.compile(
    "(about|above|across|after|against|along|among|around|as|at|because|before|behind|below|beneath|between|beyond|by"
    "|for|from|how|if|in|inside|into|like|of|on|onto|outside|over|per|since|than|that|those|through|toward|under|unless"
    "|until|up|what|when|where|whether|which|while|who|whose|why|with|within|without)[,:]?",
    re.IGNORECASE,
)
"""Prepositions, conjunctions and question words, with which no docstring of a function begins."""


def name_module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@cache
def list_imports() -> nx.DiGraph:
    """Who imports whom, module by module: at run time, inside functions, and for types."""
    modules = {name_module(path): path for path in list_files()}
    graph = nx.DiGraph()
    graph.add_nodes_from(modules)
    for module, path in modules.items():
        for node in ast.walk(parse(path)):
            for name in _read_import(node):
                target = name if name in modules else name.rpartition(".")[0]
                if target in modules and target != module:
                    graph.add_edge(module, target)
    return graph


def _read_import(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def count_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    named = [arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in named if name not in ("self", "cls")]) + bool(given.vararg) + bool(given.kwarg)


def test_no_circle_of_imports() -> None:
    assert [sorted(part) for part in nx.strongly_connected_components(list_imports()) if len(part) > 1] == []


def test_rooms_of_the_runtime_import_downward() -> None:
    """The rooms stand in the order of the contract in pyproject.toml; a room imports from those below it alone."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (rooms,) = [contract for contract in contracts if contract["name"] == "Rooms of runtime"]
    floors = {name.strip(): floor for floor, layer in enumerate(rooms["layers"]) for name in layer.split("|")}
    upward = []
    for one, other in list_imports().edges:
        here, there = (".".join(name.split(".")[:2]) for name in (one, other))
        if here in floors and there in floors and here != there and floors[there] <= floors[here]:
            upward.append(f"{one} -> {other}")
    assert upward == []
    listed = {path.name.removesuffix(".py") for path in (ROOT / "runtime").iterdir() if _is_room(path)}
    assert {f"runtime.{name}" for name in listed} == set(floors)
    assert len(listed) <= MAX_ROOMS


def _is_room(path: Path) -> bool:
    return (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()


def test_no_function_is_long() -> None:
    found = {
        name: node.end_lineno - node.lineno + 1
        for name, node in list_functions()
        if not name.startswith("archspec/cli/") and node.end_lineno
    }
    assert {name: lines for name, lines in found.items() if lines > MAX_FUNCTION_LINES} == {}


def test_no_function_takes_many_parameters() -> None:
    found = {name: count_parameters(node) for name, node in list_functions() if not name.startswith("archspec/cli/")}
    assert {name: count for name, count in found.items() if count > MAX_PARAMETERS} == {}


def test_no_file_is_long() -> None:
    lengths = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in list_files()}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_file_finds_its_tests() -> None:
    """`compiler/graph.py` is tested by `tests/compiler/test_graph.py`, or by `test_graph_*.py` beside it."""
    assert sorted({str(path) for path in list_files() if _lacks_a_test(path)} ^ set(WITHOUT_A_TEST_OF_THEIR_NAME)) == []
    named = {test for tests in WITHOUT_A_TEST_OF_THEIR_NAME.values() for test in tests}
    assert sorted(test for test in named if not (ROOT / test).is_file()) == []
    assert all(WITHOUT_A_TEST_OF_THEIR_NAME.values())


def _lacks_a_test(path: Path) -> bool:
    folder = ROOT / "tests" / path.parent
    named = [folder / f"test_{path.stem}.py", *folder.glob(f"test_{path.stem}_*.py")]
    return path.stem not in ("__init__", "__main__") and not any(test.is_file() for test in named)


def test_keys_of_metadata_stand_in_one_file() -> None:
    modules = {name_module(path) for path in list_files()}
    found = {
        f"{path}: {node.value}"
        for path in list_files()
        if path != Path("compiler/onnx_file/metadata.py")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch(r"archspec(\.[a-z_]+)+", node.value) and node.value not in modules
        if not node.value.endswith(".json")  # which is the name of a file
    }
    assert found == set()


def test_sessions_are_opened_at_one_door() -> None:
    found = [str(path) for path in list_files() if "InferenceSession(" in (ROOT / path).read_text(encoding="utf-8")]
    assert found == ["runtime/session/start.py"]


def test_tables_of_operations_stand_with_their_reasons() -> None:
    found = set()
    for path in list_files():
        if path.parts[:2] != ("archspec", "ops"):
            found |= {f"{path}:{name}" for name in _list_tables(parse(path))}
    assert sorted(found ^ set(TABLES_OF_OPERATIONS)) == []
    assert len(TABLES_OF_OPERATIONS) <= MAX_TABLES


def test_a_name_is_that_of_one_class() -> None:
    """No two classes or aliases of types of the product share a name, but for the torch modules and kinds that do."""
    homes = defaultdict(list)
    for path in list_files():
        for name in _list_types(parse(path)):
            homes[name].append(path)
    shared = {name: paths for name, paths in homes.items() if len(paths) > 1}
    as_operations = {
        name
        for name, (first, *others) in shared.items()
        if first.is_relative_to("archspec/ops")
        if len(others) == 1 and any(others[0].is_relative_to(folder) for folder in SHARED_NAMES)
    }
    assert {name: paths for name, paths in shared.items() if name not in as_operations} == {}


def _list_types(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and _name_of(node.annotation) == "TypeAlias":
            yield _name_of(node.target)


def test_docstrings_of_functions_begin_with_a_word_that_can_lead() -> None:
    """With a verb (`Find …`) or a noun (`The …`) and an upper-case letter, and not in the middle of a question."""
    found = [
        f"{name}: {text.splitlines()[0]}"
        for name, node in list_functions()
        if (text := ast.get_docstring(node)) and not _can_lead(text.split()[0])
    ]
    assert found == []


@pytest.mark.parametrize("word", ["Of", "Whether", "for", "What", "`x`", "(N,"])
def test_a_word_that_cannot_lead_is_told(word: str) -> None:
    assert not _can_lead(word)
    assert _can_lead("Find")


def _can_lead(word: str) -> bool:
    return word[0].isupper() and not NO_BEGINNING.fullmatch(word)


def _list_tables(module: ast.Module) -> Iterator[str]:
    """The names of a module, or of a class, whose values list two classes of operations or more."""
    classes = {op.__name__ for op in OPS}
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.Assign | ast.AnnAssign) and item.value is not None:
                    named = {_name_of(part) for part in ast.walk(item.value)} & classes
                    calls = {_name_of(part.func) for part in ast.walk(item.value) if isinstance(part, ast.Call)}
                    if len(named - calls) > 1:
                        target = item.targets[0] if isinstance(item, ast.Assign) else item.target
                        yield ast.unparse(target)


def _name_of(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
