"""The command `schema`: the JSON Schema of specs, or of recipes."""

from __future__ import annotations

import json
from typing import Annotated

from archspec.cli.options import shared_option


def schema(recipe: Annotated[bool, shared_option("--recipe", note="whose schema is printed instead")] = False) -> None:
    """Print the language's JSON Schema."""
    if recipe:
        from runtime.recipes.schema import recipe_schema as make
    else:
        from archspec.spec.schema import json_schema as make

    print(json.dumps(make(), indent=2, ensure_ascii=False))
