"""One line that names the extra, for a package that it installs and that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from archspec.errors import MissingExtra


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Raise MissingExtra where a module is not there that the block imports, and that comes with the extra `name`.

    Example: `with extra("train"):` and below it, indented, `import torch`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra((error.name or str(error)).partition(".")[0], name) from error
