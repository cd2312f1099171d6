"""The commands by name. What a command is made of is imported when it is named, or when all are listed."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_command_from_info

from archspec.cli.ending import COULD_NOT, print_errors_as_json
from archspec.cli.examples import tell_examples
from archspec.errors import ArchspecError
from archspec.wording import escape_controls

PANELS: Mapping[str, tuple[str, ...]] = {
    "Specs": ("check", "list_", "show", "init", "schema", "lint", "explain"),
    "Analysis": ("analyze", "unravel", "diff", "assert_", "fit"),
    "Pictures": ("draw", "report"),
    "Models": ("train", "runs", "export", "verify", "evaluate", "run", "bench", "tune", "doctor", "weights"),
    "Data": ("data",),
    "Experiments": ("shattering", "surface", "lesion"),
}
"""The commands, by the panel of `--help` in which they stand. Each is a function, or a group, in a module of its name
in the panel's folder; a word that is Python's own has a `_` behind it there."""

FILES_OF_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin")
"""The endings of the files of which an option may take several."""

UsageError: Any = typer.BadParameter.__base__
"""The class of the errors that the parser raises; typer exports none but this child of it."""

_HOMES = {name.rstrip("_"): (panel, name) for panel, names in PANELS.items() for name in names}


class UsageMistakeError(ArchspecError):
    """Words that no command understands."""

    code = "usage"


class Commands(Mapping[str, Any]):
    """The commands that are there, each made when it is asked for: to make all takes longer than most of them run."""

    def __getitem__(self, name: str) -> Any:
        return _make_command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


class PlainCommand(TyperCommand):
    """A command whose help says of a flag what it does, and not that it is a boolean. An option of files (`FILE...`)
    takes several behind it. Where an option takes several values and was given fewer, the error says which they are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        several = {word for param in self.params if param.metavar == "FILE..." for word in param.opts}
        try:
            return super().parse_args(ctx, repeat_options(args, several))
        except UsageError as error:
            option = getattr(error, "option_name", "")
            for param in self.params:
                if param.nargs > 1 and option in param.opts:
                    error.message = f"{error.message.rstrip('.')}: {param.metavar}"
            raise

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_flag_types(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """A group of commands whose help says of a flag what it does, and not that it is a boolean."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_flag_types(super().get_params(ctx))


class LazyGroup(PlainGroup):
    """A group of commands that makes the one that is named."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Commands()  # type: ignore[assignment]  # nothing is added later

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that is named. With `--json`, what went wrong is data too."""
        words = ctx.args
        try:
            return super().invoke(ctx)
        except (ArchspecError, UsageError) as error:
            if "--json" not in words:
                if not isinstance(error, ArchspecError):
                    error.message = "\n".join(map(escape_controls, error.message.split("\n")))
                raise
            print_errors_as_json(
                error if isinstance(error, ArchspecError) else UsageMistakeError(error.format_message())
            )
            raise typer.Exit(COULD_NOT) from None


def repeat_options(words: Sequence[str], options: Collection[str]) -> list[str]:
    """Put these options before each file that follows their first one, which click's parser does not do.

    >>> repeat_options(["net", "--weights", "a.safetensors", "b.safetensors", "-o", "m.onnx"], ["--weights"])
    ['net', '--weights', 'a.safetensors', '--weights', 'b.safetensors', '-o', 'm.onnx']
    """
    repeated: list[str] = []
    awaiting = filled = ""  # the option whose value comes next; the one that has its value, and takes more
    for number, word in enumerate(words):
        if word == "--" and not awaiting:
            return [*repeated, *words[number:]]
        if filled and word.endswith(FILES_OF_WEIGHTS) and not word.startswith("-"):
            repeated += [filled, word]
            continue
        repeated.append(word)
        awaiting, filled = word if word in options and not awaiting else "", awaiting
    return repeated


def _without_flag_types(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_bool_flag", False) and param.metavar is None:
            param.metavar = ""
    return params


@cache
def _make_command(name: str) -> Any:
    """The command, or group of commands, of a name. Raises KeyError."""
    panel, attribute = _HOMES[name]
    made = getattr(import_module(f"archspec.cli.{panel.lower()}.{attribute}"), attribute)
    if isinstance(made, typer.Typer):
        group: Any = get_command(made)
        group.rich_help_panel = panel
        return group
    alone = typer.Typer()
    alone.command(
        name=name,
        help=_escape_markup(inspect.getdoc(made) or ""),
        epilog=_escape_markup(tell_examples(name)),
        rich_help_panel=panel,
        cls=PlainCommand,
    )(made)
    (info,) = alone.registered_commands
    return get_command_from_info(info, pretty_exceptions_short=True, rich_markup_mode=alone.rich_markup_mode)


def _escape_markup(text: str) -> str:
    """The text so that rich shows it as it is, `f1[x]` too. rich is only imported for what it could misread."""
    if "[" not in text:
        return text
    from rich.markup import escape

    return escape(text)
