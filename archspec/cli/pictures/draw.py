"""The command `draw`: a network as a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption
from archspec.cli.options import (
    ForceOption,
    MaxNodesOption,
    NetworkArgument,
    SetOption,
    SizeOption,
    build_graph,
    check_output,
    names_file,
    shared_option,
)
from archspec.cli.output import tell
from archspec.cli.pictures.boxes import count_boxes
from archspec.wording import cut

if TYPE_CHECKING:
    from compiler.draw.picture import GraphPicture


FORMATS = ("svg", "html", "mmd", "dot", "json")


def _read_target(text: str) -> str:
    return text if text == "-" else str(names_file("network.svg")(text))


def draw(
    spec: NetworkArgument,
    output: Annotated[
        str,
        shared_option("--output", "-o", metavar="FILE", parser=_read_target, note="a file; - for the standard output"),
    ],
    format_: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="svg, html, mmd, dot or json (default: the file's ending)."),
    ] = "",
    depth: Annotated[int | None, shared_option("--depth", min=0, metavar="N", note="default: 2")] = None,
    open_: Annotated[
        list[str], typer.Option("--open", metavar="PATTERN", help="Open these blocks too, as in --open '*.i2.*'.")
    ] = [],
    set_: SetOption = [],
    size: SizeOption = [],
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    force: ForceOption = False,
) -> None:
    """Draw the network as SVG, as a page, for Mermaid or for Graphviz, with repeats folded."""
    from archspec.files import write_text
    from archspec.replacing import DRAWN
    from compiler.draw.picture import draw_graph

    name = _find_format(output, format_)
    write = _choose_writer(name)
    check_output(None if output == "-" else Path(output), DRAWN[name], [spec], force=force)
    picture = draw_graph(build_graph(spec, set_, size, max_nodes, allow), depth=depth, patterns=open_)
    text = write(picture)
    if output == "-":
        print(text, end="")
        return
    write_text(output, text)
    tell(f"wrote {output}: {count_boxes(picture)}")


def _find_format(output: str, given: str) -> str:
    name = given.lower() or Path(output).suffix.lstrip(".").lower()
    if name not in FORMATS:
        wanted = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        found = f", found '{cut(name, 20)}'" if name else ", as the file's ending or by --format"
        raise typer.BadParameter(f"the format should be {wanted}{found}")
    return name


def _choose_writer(name: str) -> Callable[[GraphPicture], str]:
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


def _write_json(picture: GraphPicture) -> str:
    import json

    return json.dumps(picture.to_dict(), indent=2, ensure_ascii=False) + "\n"
