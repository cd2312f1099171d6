"""The picture of a graph as source for Graphviz: open blocks are clusters."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.draw.blocks import PictureBlock
from compiler.draw.picture import GraphPicture
from compiler.draw.theme import COLOURS, SIGNS

HEAD = """\
  graph [fontname="monospace", fontsize=12, style="rounded", color="#8c959f", bgcolor="white"]
  node [fontname="monospace", fontsize=12, shape=box, style="rounded,filled", color="#6e7781", fillcolor="white"]
  edge [color="#57606a", arrowsize=0.7]"""


def write_dot(picture: GraphPicture) -> str:
    """Write the whole text of the file, of one directed graph."""
    names = {block.id: f"n{number}" for number, block in enumerate(picture.visible())}
    lines = [f"digraph {_quote(picture.title)} {{", HEAD, f"  label={_quote(f'{picture.title} · {picture.summary}')}"]
    for child in picture.whole.children:
        lines += _write_block(picture, child, names, "  ")
    for wire in dict.fromkeys(picture.links()):
        dashed = "" if wire.signal else " [style=dashed]"
        lines += [f"  {names[wire.source]} -> {names[wire.target]}{dashed}"] * wire.times
    return "\n".join([*lines, "}\n"])


def _write_block(picture: GraphPicture, block: PictureBlock, names: dict[str, str], indent: str) -> Iterator[str]:
    tip = f"tooltip={_quote(picture.describe(block))}"
    if picture.is_open(block):
        head = "  ".join(filter(None, (picture.head(block), picture.figures(block).counts)))
        yield f"{indent}subgraph cluster_{names[block.id]} {{"
        yield f"{indent}  label={_quote(head)}; {tip}"
        for child in block.children:
            yield from _write_block(picture, child, names, f"{indent}  ")
        yield f"{indent}}}"
    elif block.kind == "merge":
        sign = _quote(SIGNS.get(block.lines[0], block.lines[0]))
        yield f"{indent}{names[block.id]} [label={sign}, shape=circle, margin=0, width=0.3, {tip}]"
    else:
        label = _quote("\n".join(picture.lines(block)))
        look = 'style="rounded,dashed"' if block.kind == "label" else f'fillcolor="{COLOURS[block.kind][0]}"'
        more = ", peripheries=2" if block.times > 1 else ""
        yield f"{indent}{names[block.id]} [label={label}, {look}{more}, {tip}]"


def _quote(text: str) -> str:
    r"""A string of the DOT language. Within one, a quote is escaped, and a backslash is doubled, since labels have
    escapes of their own (`\n`, `\N`)."""
    plain = "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
