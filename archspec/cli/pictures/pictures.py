"""Commands that draw a network: as a picture, and with all its numbers as a page."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archspec import __version__
from archspec.cli.ending import tell
from archspec.cli.options import (
    MAX_NODES,
    BatchOption,
    ForceOption,
    MaxNodesOption,
    NetworkArgument,
    OptimizerOption,
    PrecisionOption,
    SetOption,
    SizeOption,
    any_digits,
    build_graph,
    check_ending,
    check_output,
    names_file,
    open_network,
    output_option,
)

if TYPE_CHECKING:
    from compiler.draw.picture import Picture

FORMATS = ("svg", "html", "mmd", "dot", "json")


def _read_target(text: str) -> str:
    return text if text == "-" else str(names_file("network.svg")(text))


def draw(
    spec: NetworkArgument,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", parser=_read_target, help="The file to write; - for the standard output."
        ),
    ],
    format_: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="svg, html, mmd, dot or json (default: the file's ending)."),
    ] = "",
    depth: Annotated[int | None, typer.Option(min=0, help="Levels of blocks that are open (default: 2).")] = None,
    open_: Annotated[
        list[str], typer.Option("--open", metavar="PATTERN", help="Open these blocks too, as in --open '*.i2.*'.")
    ] = [],  # noqa: B006
    set_: SetOption = [],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    max_nodes: MaxNodesOption = MAX_NODES,
    force: ForceOption = False,
) -> None:
    """Draw the network as SVG, as a page, for Mermaid or for Graphviz, with repeats folded."""
    from archspec.files import write_text
    from archspec.replacing import DRAWN
    from compiler.draw.picture import draw_graph

    name = _find_format(output, format_)
    write = _choose_writer(name)
    check_output(None if output == "-" else Path(output), DRAWN[name], [spec], force=force)
    picture = draw_graph(build_graph(spec, set_, size, max_nodes), depth=depth, patterns=open_)
    text = write(picture)
    if output == "-":
        print(text, end="")
        return
    write_text(output, text)
    tell(f"wrote {output}: {_count_boxes(picture)}")


def report(
    spec: NetworkArgument,
    output: Annotated[Path, output_option("FILE.html", "report.html", "The page to write.")],
    depth: Annotated[int | None, typer.Option(min=0, help="Levels of blocks that are open (default: 2).")] = None,
    batch: BatchOption = 1,
    precision: PrecisionOption = None,
    optimizer: OptimizerOption = "momentum",
    set_: SetOption = [],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    max_nodes: MaxNodesOption = MAX_NODES,
    force: ForceOption = False,
) -> None:
    """Write all that the analyses say of a network as one page that needs no network: graph, plots and lint, linked."""
    from archspec.replacing import PAGE

    check_ending(output, ".html")
    check_output(output, PAGE, [spec], force=force)
    from archspec import api
    from archspec.cli.progress import show_work
    from archspec.extras import extra
    from archspec.files import write_text
    from compiler.draw.page import write_page
    from compiler.draw.picture import draw_graph

    with extra("pictures"):
        import matplotlib  # noqa: F401  (asked for before the work, not after it)
    graph, source = open_network(spec, set_, size, max_nodes)
    wanted = ["receptive_field", "memory", "lint"]
    wanted += ["variance"] if source is not None else []  # a model does not say how its weights started
    usual: list[tuple[str, object, object]] = [("--depth", depth, None), ("--batch", batch, 1)]
    usual += [("--precision", precision, None), ("--optimizer", optimizer, "momentum")]
    chosen = [(name, value) for name, value, default in usual if value != default]
    options = [*(("--set", one) for one in set_), *(("--size", one) for one in size), *chosen]
    about = {
        "description": source.description or "" if source is not None else "",
        "origin": _tell_origin(spec, options),
    }
    with show_work(f"writing all that is known of {graph.name}"), any_digits():
        found = api.analyze(graph, source, wanted=wanted, batch=batch, precision=precision, optimizer=optimizer)
        picture = draw_graph(graph, depth=depth)
        write_text(output, write_page(picture, found, **about))
    tell(f"wrote {output}, which needs no network: {_count_boxes(picture)}")


def _tell_origin(spec: str, options: Iterable[tuple[str, object]]) -> str:
    """The version, and a command that writes the same page, without the folders of this machine."""
    name = Path(spec).name if Path(spec).is_absolute() else spec
    command = shlex.join(["archspec", "report", name, *(str(word) for option in options for word in option)])
    return f"archspec {__version__}: {command}"


def _count_boxes(picture: Picture) -> str:
    boxes, operations = sum(1 for _ in picture.visible()), len(picture.graph) - len(picture.graph.inputs)
    return f"{_count(boxes, 'box', 'boxes')} for {_count(operations, 'operation', 'operations')}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _find_format(output: str, given: str) -> str:
    name = given.lower() or Path(output).suffix.lstrip(".").lower()
    if name not in FORMATS:
        wanted = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        found = f", found '{name[:20]}'" if name else ", as the file's ending or by --format"
        raise typer.BadParameter(f"the format should be {wanted}{found}")
    return name


def _choose_writer(name: str) -> Callable[[Picture], str]:
    from compiler.draw.dot import write_dot
    from compiler.draw.mermaid import write_mermaid
    from compiler.draw.page import write_page
    from compiler.draw.svg import write_svg

    writers: dict[str, Callable[[Any], str]] = {
        "svg": write_svg,
        "html": write_page,
        "mmd": write_mermaid,
        "dot": write_dot,
        "json": _write_json,
    }
    return writers[name]


def _write_json(picture: Picture) -> str:
    import json

    return json.dumps(picture.to_dict(), indent=2, ensure_ascii=False) + "\n"
