"""The command `schema`: the language's JSON Schema."""

from __future__ import annotations

import json


def schema() -> None:
    """Print the language's JSON Schema."""
    from archspec.spec.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
