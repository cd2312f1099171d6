"""The documentation is true: examples run, generated pages are fresh, links lead somewhere, commands exist.

Fences in the pages say what they are:

- ```yaml, starting with `archspec:`: a whole document, which must compile; with `recipe:`, a recipe
- ```yaml file=PATH: the same, kept for the examples that follow, which may import it
- ```yaml body: a body; its first line says the input's and the outputs' shapes
- ```yaml fails, then ```text messages: a document with mistakes, and all that is said of it
- ```text weights: names of the weights of the document before; `…` stands for any number of names
- ```console: commands; what is shown below a `$ archspec …` is among what it prints, started in the project's folder
- ```python: a doctest; one session for each page
"""

from __future__ import annotations

import doctest
import importlib.util
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from archspec.api import check, elaborate, load
from archspec.cli.main import app
from archspec.errors import Diagnostic, SpecError
from archspec.ops import LAYERS
from archspec.spec.zoo import zoo_specs
from compiler.graph import Graph
from runtime.recipes.document import read_recipe, tell_recipe
from runtime.recipes.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SHELLS = {"", "sh", "bash", "shell", "console"}


@dataclass(frozen=True)
class Fence:
    """A fenced block of a page: its language and further words, its text, and the line where that starts."""

    page: str
    words: tuple[str, ...]
    text: str
    line: int

    @property
    def language(self) -> str:
        return self.words[0] if self.words else ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Example:
    """A fence with what it needs: the files before it, and the fence behind it."""

    fence: Fence
    files: dict[str, str] = field(default_factory=dict)
    after: Fence | None = None


def find_pages() -> list[Path]:
    """Every Markdown file of the project; hidden and built folders are not its own."""
    built = {"build", "dist", "node_modules", "runs", "shared"}
    found = [path.relative_to(ROOT) for path in ROOT.rglob("*.md")]
    return sorted(path for path in found if not any(part.startswith(".") or part in built for part in path.parts))


PAGES = find_pages()


@cache
def read_fences(page: Path) -> tuple[Fence, ...]:
    """The fenced blocks of a page, in order."""
    fences: list[Fence] = []
    words, start, lines = None, 0, (ROOT / page).read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.startswith("```"):
            continue
        if words is None:
            words, start = tuple(line[3:].split()), number + 1
        else:
            fences.append(Fence(page.as_posix(), words, "\n".join(lines[start - 1 : number - 1]) + "\n", start))
            words = None
    assert words is None, f"{page}:{start - 1}: this fence is not closed"
    return tuple(fences)


def all_examples(page: Path) -> Iterator[Example]:
    files: dict[str, str] = {}
    fences = read_fences(page)
    for fence, after in zip(fences, (*fences, None)[1:], strict=True):
        if fence.language == "yaml":
            yield Example(fence, dict(files), after)
            name = next((word.removeprefix("file=") for word in fence.words if word.startswith("file=")), None)
            files |= {name: fence.text} if name else {}


EXAMPLES = [example for page in PAGES for example in all_examples(page)]
WHOLE = [e for e in EXAMPLES if len(e.fence.words) == 1 and re.search(r"^archspec:", e.fence.text, re.M)]
RECIPES = [e for e in EXAMPLES if len(e.fence.words) == 1 and e.fence.text.startswith("recipe:")]
LIBRARIES = [e for e in EXAMPLES if any(word.startswith("file=") for word in e.fence.words)]
BODIES = [e for e in EXAMPLES if "body" in e.fence.words]
FAILURES = [e for e in EXAMPLES if "fails" in e.fence.words]


def of_page(example: Example) -> str:
    return str(example.fence)


def lay_out(example: Example, content: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write an example with the files that it may import into a folder, and go there; the name of its file."""
    for name, text_ in {**example.files, "spec.yaml": content}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text_, encoding="utf-8")
    monkeypatch.chdir(folder)
    return "spec.yaml"


def shapes_of(graph: Graph) -> str:
    return ", ".join(str(graph[id].shape) for id in graph.outputs.values())


@pytest.mark.parametrize("example", WHOLE, ids=of_page)
def test_document_compiles(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = lay_out(example, example.fence.text, tmp_path, monkeypatch)
    graph = elaborate(load(name))
    if example.after and example.after.words == ("text", "weights"):
        listed = "(?:.*\n)*".join(map(re.escape, example.after.text.split("…\n")))
        assert re.fullmatch(listed, "".join(f"{name}\n" for name in graph.weights)), list(graph.weights)


@pytest.mark.parametrize("example", LIBRARIES, ids=of_page)
def test_file_has_no_mistakes(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = lay_out(example, example.fence.text, tmp_path, monkeypatch)
    if re.search("^network:", example.fence.text, re.M):
        assert check(name) == ()
    else:
        user = "archspec: 1\nimport: [spec]\ninputs: {x: [1]}\nnetwork: [relu]\n"
        assert check(lay_out(Example(example.fence), user, tmp_path / "user", monkeypatch)) != ()  # not beside it
        (tmp_path / "user.yaml").write_text(user, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        assert check("user.yaml") == ()


@pytest.mark.parametrize("example", BODIES, ids=of_page)
def test_body_has_the_shapes_it_says(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = re.match(r"# (\S+) → (.+)\n", example.fence.text)
    assert said, "a body's first line should be `# INPUT → OUTPUT, …`"
    shape = said[1].replace("×", ", ")
    head = f"archspec: 1\ninputs: {{x: [{shape}]}}\nnetwork:\n"
    body = "".join(f"  {line}\n" for line in example.fence.text.splitlines())
    graph = elaborate(load(lay_out(example, head + body, tmp_path, monkeypatch)))
    assert shapes_of(graph) == said[2]


@pytest.mark.parametrize("example", RECIPES, ids=of_page)
def test_recipe_has_no_mistakes(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_recipe(lay_out(example, example.fence.text, tmp_path, monkeypatch)) != Recipe()


def list_mistakes(name: str) -> Sequence[Diagnostic]:
    """The mistakes of a spec, or of a recipe."""
    if tell_recipe(name) is None:
        return check(name)
    with pytest.raises(SpecError) as error:
        read_recipe(name)
    return error.value.diagnostics


@pytest.mark.parametrize("example", FAILURES, ids=of_page)
def test_mistakes_are_reported_as_shown(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert example.after is not None
    assert example.after.words == ("text", "messages")
    name = lay_out(example, example.fence.text, tmp_path, monkeypatch)
    assert "".join(f"{mistake}\n" for mistake in list_mistakes(name)) == example.after.text


def test_every_yaml_example_is_tested() -> None:
    tested = {of_page(example) for example in (*WHOLE, *RECIPES, *LIBRARIES, *BODIES, *FAILURES)}
    assert [of_page(example) for example in EXAMPLES if of_page(example) not in tested] == []
    assert len(BODIES) >= 8, "the page of the language shows every structure node"


def sessions_in(page: Path) -> Iterator[tuple[str, str]]:
    """Each command of ours with the output that is shown of it, where some is."""
    for fence in read_fences(page):
        if fence.language == "console":
            for shown in re.split(r"^\$ ", fence.text, flags=re.M)[1:]:
                command, _, output = shown.partition("\n")
                if command.startswith("archspec ") and output.strip():
                    yield command, output


SESSIONS = [session for page in PAGES for session in sessions_in(page)]


@pytest.mark.parametrize(("command", "shown"), SESSIONS, ids=lambda value: value[:40].partition("\n")[0])
def test_console_prints_what_is_shown(
    command: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown may wrap lines and leave some out, and adds none. A file `my_NAME.yaml` is the zoo's NAME."""
    monkeypatch.chdir(ROOT)
    for name in re.findall(r"\bmy_(\w+)\.yaml", command):
        (tmp_path / f"my_{name}.yaml").write_bytes(zoo_specs()[name].read_bytes())
        monkeypatch.chdir(tmp_path)
    output = CliRunner().invoke(app, shlex.split(command, comments=True)[1:]).output
    printed = iter(output.split())
    missing = [word for word in shown.split() if word not in printed]
    assert not missing, f"{command} does not print {missing[0]!r} there, but\n{output}"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if ">>> " in (ROOT / page).read_text(encoding="utf-8")], ids=str
)
def test_doctest(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for example in all_examples(page):
        for word in example.fence.words:
            if word.startswith("file="):
                path = Path(word.removeprefix("file="))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(example.fence.text, encoding="utf-8")
    # Outside the Python fences every line is blank, so that lines keep their numbers.
    lines = [""] * (ROOT / page).read_text(encoding="utf-8").count("\n")
    for fence in read_fences(page):
        if fence.language == "python" and fence.text.startswith(">>> "):
            kept = fence.text.splitlines()
            lines[fence.line - 1 : fence.line - 1 + len(kept)] = kept
    parsed = doctest.DocTestParser().get_doctest("\n".join(lines), {}, page.name, str(page), 0)
    assert parsed.examples
    report: list[str] = []
    doctest.DocTestRunner().run(parsed, out=report.append)
    assert not report, "".join(report)


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()


@pytest.mark.parametrize("path", GENERATOR.FILES, ids=lambda path: path.name)
def test_generated_file_is_up_to_date(path: Path) -> None:
    fresh = GENERATOR.FILES[path]()
    assert path.read_text(encoding="utf-8") == fresh, f"{path.relative_to(ROOT)} is out of date; run `make docs`"


def test_every_layer_stands_in_the_generated_page() -> None:
    assert set(re.findall(r"^### (\w+)$", (DOCS / "ops.md").read_text(encoding="utf-8"), re.M)) == set(LAYERS)


def test_formula_with_a_mistake_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GENERATOR.MACS, "linear", "in_channels + out")
    with pytest.raises(ValueError, match="linear"):
        GENERATOR.describe(LAYERS["linear"])


def find_slug(heading: str) -> str:
    """The anchor of a heading: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")


def prose_of(page: Path) -> str:
    """A page without its fences and code spans."""
    plain = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", plain)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^()\s]+)\)", prose_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page.parent / path).resolve() if path else ROOT / page
        assert file.exists(), f"{page}: nothing is at {target}"
        assert file.is_relative_to(ROOT), f"{page}: {target} leads out of the project"
        if anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.M)
            assert anchor in map(find_slug, headings), f"{page}: {target} is no heading"


def commands_in(page: Path) -> Iterator[str]:
    """What the page says to type after `archspec`, in code spans and in fences of shells."""
    yield from re.findall(r"`archspec ([^`]+)`", (ROOT / page).read_text(encoding="utf-8"))
    for fence in read_fences(page):
        if fence.language in SHELLS:
            yield from re.findall(r"(?:^|&& |\$ |/)archspec +([a-z-][^\n|&#]*)", fence.text, re.M)


COMMANDS = [(page, command) for page in PAGES for command in commands_in(page)]


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=lambda value: str(value)[:60])
def test_command_exists(page: Path, command: str) -> None:
    group = typer.main.get_command(app)
    name, *words = command.replace("[", " ").replace("]", " ").split()
    known = getattr(group, "commands", {})
    names = {name for parameter in group.params for name in parameter.opts}
    if not name.startswith("-"):
        assert name in known, f"{page}: there is no `archspec {name}`"
        called = known[name]
        if words and words[0] in getattr(called, "commands", {}):  # `archspec weights convert`
            called = called.commands[words[0]]
        names = {name for parameter in called.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in [name, *words] if name.startswith("-") else words:
        if word.startswith("-"):
            option = word.partition("=")[0]
            assert option in {*names, "--help", "-h"}, f"{page}: `archspec {command}` has no option {option}"
