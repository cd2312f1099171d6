"""The picture of a graph as a Mermaid flowchart, as GitHub and others draw them: open blocks are subgraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.draw.blocks import PictureBlock
from compiler.draw.picture import GraphPicture
from compiler.draw.theme import COLOURS, SIGNS

PLAIN = re.compile(r"[A-Za-z0-9 .,_×…·/=+()\-⊕⊖⊗⊘∨∧∥∿]")
"""The letters that stand for themselves in a label."""


def write_mermaid(picture: GraphPicture) -> str:
    """Write the whole text of the file."""
    names = {block.id: f"n{number}" for number, block in enumerate(picture.visible())}
    lines = [f"%% {_escape(picture.title)} · {picture.summary}", "flowchart TD"]
    for child in picture.whole.children:
        lines += _write_block(picture, child, names, "  ")
    for wire in dict.fromkeys(picture.links()):
        lines += [f"  {names[wire.source]} {'-->' if wire.signal else '-.->'} {names[wire.target]}"] * wire.times
    for kind, (light, _) in COLOURS.items():
        members = [names[block.id] for block in picture.visible() if block.kind == kind and not picture.is_open(block)]
        if members and kind != "label":
            lines.append(f"  classDef kind_{kind} fill:{light},stroke:#6e7781,color:#1c2128")
            lines.append(f"  class {','.join(members)} kind_{kind}")
    return "\n".join([*lines, ""])


def _write_block(picture: GraphPicture, block: PictureBlock, names: dict[str, str], indent: str) -> Iterator[str]:
    name = names[block.id]
    if picture.is_open(block):
        head = " · ".join(filter(None, (picture.head(block), picture.figures(block).counts)))
        yield f'{indent}subgraph {name}["{_escape(head)}"]'
        for child in block.children:
            yield from _write_block(picture, child, names, f"{indent}  ")
        yield f"{indent}end"
    elif block.kind == "merge":
        yield f'{indent}{name}(("{_escape(SIGNS.get(block.lines[0], block.lines[0]))}"))'
    else:
        left, right = ('(["', '"])') if block.kind == "label" else ('["', '"]')
        yield f"{indent}{name}{left}{'<br/>'.join(map(_escape, picture.lines(block)))}{right}"


def _escape(text: str) -> str:
    """Write text in a label: what might be read as Mermaid's or as HTML is written by its number."""
    return "".join(letter if PLAIN.fullmatch(letter) else f"#{ord(letter)};" for letter in text)
