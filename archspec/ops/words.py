"""Classes by the words that stand for them, each imported when it is first looked up: what a spec says decides what is
loaded, and a word that it does not use costs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, TypeVar

Found = TypeVar("Found", covariant=True)


class Words(Mapping[str, Found]):
    """Classes by their words, from a table of where each is: `module.Class` in one package. Words alone import
    nothing; to go through the classes imports them all."""

    def __init__(self, package: str, homes: dict[str, str]) -> None:
        self.package, self.homes = package, homes
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, word: str) -> Found:
        if word not in self._loaded:
            module, _, name = self.homes[word].rpartition(".")
            self._loaded[word] = getattr(import_module(f"{self.package}.{module}"), name)
        found: Found = self._loaded[word]
        return found

    def __contains__(self, word: object) -> bool:
        return word in self.homes

    def __iter__(self) -> Iterator[str]:
        return iter(self.homes)

    def __len__(self) -> int:
        return len(self.homes)

    def name_file(self, word: str) -> str:
        """Name the file in which the class of a word stands, without its folder and ending."""
        return self.homes[word].split(".")[-2]


def list_homes(names: Mapping[str, str]) -> dict[str, str]:
    """List where each operation is, by its word, from the names in each module."""
    return {spell_word(name): f"{module}.{name}" for module, given in names.items() for name in given.split()}


def spell_word(name: str) -> str:
    """Spell the name of a class as a word of the language, in snake case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
