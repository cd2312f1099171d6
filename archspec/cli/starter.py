"""The spec that `archspec init` writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from archspec.errors import ArchspecError
from archspec.files import check_absent, write_text
from archspec.replacing import Kind, check_gives_way

SCHEMA_NAME = "archspec.schema.json"

STARTER = """\
# yaml-language-server: $schema=./{schema}
archspec: 1                                # version of the language
name: {name}
description: A small residual network for images.

params: {{classes: 10, width: 16, depth: 2}} # a caller may override these: --set classes=5
inputs: {{image: [3, H, W]}}                 # channels first, no batch; a capital letter is a dynamic size
sizes: {{H: 32, W: 32}}                      # the usual value of each size: --size H=64 chooses another
defaults: {{conv: {{bias: false}}}}            # fields that every node of a kind takes over

blocks:
  basic:                                   # a body with arguments, used below by its name
    args: {{width: int, stride: int = 1}}
    body:
      - residual:
          body:
            - conv: {{out: width, stride: stride}}
            - batch_norm
            - relu
            - conv: {{out: width}}
            - batch_norm
          project:                         # used only where the shapes differ
            - conv: {{out: out_channels, kernel: 1, stride: stride}}
            - batch_norm
      - relu

network:
  - conv: {{out: width, name: stem}}
  - batch_norm
  - relu
  - repeat:                                # one turn for each position of the lists
      each: {{factor: [1, 2, 4], stride: [1, 2, 2]}}
      body:
        - basic: {{width: width * factor, stride: stride}}
        - repeat: {{n: depth - 1, body: [basic: {{width: width * factor}}]}}
  - global_avg_pool
  - flatten
  - linear: classes
"""


def write_starter(file: Path, *, force: bool) -> None:
    """Write the spec and the schema beside it. Raises ArchspecError rather than replace a file unasked."""
    from archspec.spec.schema import json_schema

    if file.suffix not in (".yaml", ".yml"):
        raise ArchspecError(f"{file} should end in .yaml")
    check_absent(file, force=force)
    schema, text = file.parent / SCHEMA_NAME, json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    same = Kind("a schema of this version", lambda path: path.read_bytes() == text.encode(), SCHEMA_NAME)
    check_gives_way(schema, same, force=force)
    name = re.sub(r"\W", "_", file.stem)
    write_text(schema, text)
    write_text(file, STARTER.format(name=name, schema=SCHEMA_NAME))
