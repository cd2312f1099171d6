"""Completion, in a shell, of words that are names which the program knows; a shell adds files by itself."""

from __future__ import annotations


def complete_spec(incomplete: str) -> list[str]:
    """List the names of specs in the zoo."""
    from archspec.spec.zoo import zoo_specs

    return [name for name in sorted(zoo_specs()) if name.startswith(incomplete)]


def complete_recipe(incomplete: str) -> list[str]:
    """List the names of recipes in the zoo."""
    from archspec.spec.zoo import zoo_recipes

    return [name for name in sorted(zoo_recipes()) if name.startswith(incomplete)]


def complete_code(incomplete: str) -> list[str]:
    """List the codes of mistakes, failures and findings."""
    from archspec.cli.codes import read_codes

    return [code for code in sorted(read_codes()) if code.startswith(incomplete)]


def complete_data(incomplete: str) -> list[str]:
    """List the names of data sets."""
    from runtime.data.known import KNOWN
    from runtime.data.registry import DATASETS

    return [name for name in sorted((*DATASETS, *KNOWN)) if name.startswith(incomplete)]
