"""Block libraries as their readers see them: each block with what it is, its arguments and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archspec.errors import Place, SpecError
from archspec.spec.blocks import Block
from archspec.spec.load import SpecReader
from archspec.spec.marked import Table
from archspec.spec.text import read_file
from archspec.spec.zoo import find_spec, real_path, shown, zoo_libraries, zoo_specs


@dataclass(frozen=True)
class Library:
    """A block library: the name under which specs import it, its file, and its own blocks by name."""

    name: str
    path: Path
    description: str
    blocks: Mapping[str, Block]
    places: Mapping[str, Place]
    """Where each block stands."""


def find_library(source: str | Path) -> Path | None:
    """The file of a block library, given as a path or by its name in the zoo; None where it is something else."""
    if str(source) in zoo_specs():
        return None
    path = find_spec(source)
    return path if path.is_file() and _holds_blocks_alone(path) else None


def read_library(path: Path) -> Library:
    """Read a library from its file. Raises SpecError with every mistake in it."""
    reader = SpecReader(root=real_path(path).parent)
    blocks = reader.read_library(path)
    if reader.mistakes:
        raise SpecError(reader.mistakes)
    written = read_file(path, shown(path)).data
    own = written["blocks"]
    names = {file: name for name, file in zoo_libraries().items()}
    return Library(
        name=names.get(real_path(path), shown(path)),
        path=path,
        description=written.get("description") or "",
        blocks={name: blocks[name] for name in own},
        places={name: own.keys_at[name] for name in own},
    )


def list_arguments(block: Block) -> list[dict[str, Any]]:
    """List the arguments of a block with their types and, but for those that a call has to give, their defaults."""
    written = block.written.get("args") or {}
    rows = []
    for name, argument in block.signature.items():
        default = str(written.get(name, "")).partition("=")[2].strip()
        rows.append({"name": name, "type": argument.type, "default": default or None})
    return rows


def _holds_blocks_alone(path: Path) -> bool:
    written = read_file(path, shown(path)).data
    return isinstance(written, Table) and "blocks" in written and not {"network", "inputs", "extends"} & written.keys()
