"""The command `report`: all that is known of a network, as one page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from archspec import __version__
from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption
from archspec.cli.options import (
    BatchOption,
    ForceOption,
    MaxNodesOption,
    NetworkArgument,
    OptimizerOption,
    PrecisionOption,
    SetOption,
    SizeOption,
    check_ending,
    check_output,
    open_network,
    output_option,
    shared_option,
)
from archspec.cli.output import any_digits, tell
from archspec.cli.pictures.boxes import count_boxes


def report(
    spec: NetworkArgument,
    output: Annotated[Path, output_option("FILE.html", "report.html", "the page")],
    depth: Annotated[int | None, shared_option("--depth", min=0, metavar="N", note="default: 2")] = None,
    batch: BatchOption = 1,
    precision: PrecisionOption = None,
    optimizer: OptimizerOption = "momentum",
    set_: SetOption = [],
    size: SizeOption = [],
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
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
    graph, source = open_network(spec, set_, size, max_nodes, allow)
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
    tell(f"wrote {output}, which needs no network: {count_boxes(picture)}")


def _tell_origin(spec: str, options: Iterable[tuple[str, object]]) -> str:
    """The version, and a command that writes the same page, without the folders of this machine."""
    name = Path(spec).name if Path(spec).is_absolute() else spec
    command = shlex.join(["archspec", "report", name, *(str(word) for option in options for word in option)])
    return f"archspec {__version__}: {command}"
