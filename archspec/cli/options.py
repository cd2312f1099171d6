"""Options that several commands share, and what they mean."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from archspec.bounds import MAX_WHOLE, MC_BATCH
from archspec.cli.completion import complete_spec
from archspec.errors import ArchspecError
from archspec.files import check_file_name
from archspec.precision import FloatPrecision
from archspec.wording import cut

if TYPE_CHECKING:
    from archspec.replacing import Kind

MEANINGS: Mapping[str, str] = {
    "--batch": "Samples in a batch",
    "--classes": "The names of the classes",
    "--data": "The images that it learns from",
    "--data-dir": "A folder of data sets that is looked at first",
    "--depth": "Levels of blocks that are shown",
    "--find-lr": "Try learning rates in a short training, and draw the loss",
    "--force": "Replace what is there, also where it would stay otherwise",
    "--max-drop": "How far a score may fall, as in 0.5% or 0.005",
    "--monte-carlo": "Predict by the batch statistics of T training mini-batches",
    "--output": "Where to write",
    "--points": "Points along each axis",
    "--precision": "The type of weights and activations",
    "--preprocess": "How pictures become the input",
    "--provider": "Demand tensorrt, cuda or cpu",
    "--recipe": "A recipe, by which networks are trained",
    "--seconds": "How long to measure",
    "--seed": "Chooses what is drawn at random",
    "--set": "Override a param",
    "--span": "How far the points reach",
    "--task": "What is asked",
    "--weights": "Files of weights: safetensors, or .pth",
}
"""The meaning of an option in every command that has it; what it is there stands in brackets behind."""


def shared_option(name: str, *others: str, note: str = "", **how: Any) -> Any:
    """An option that several commands declare, each with a note of its own: a default, what it may be."""
    return typer.Option(name, *others, help=f"{MEANINGS[name]}{f' ({note})' if note else ''}.", **how)


def names_file(example: str) -> Callable[[str], Path]:
    """Make a reader of an option that names a file to write, one like `example`. Raises ArchspecError where it names a
    folder; a Path would not know the last slash."""

    def read(text: str) -> Path:
        check_file_name(text, example)
        return Path(text)

    return read


def output_option(metavar: str, example: str, note: str) -> Any:
    """The option by which a command is given the file that it writes, one like `example`."""
    return shared_option("--output", "-o", metavar=metavar, parser=names_file(example), note=note)


def read_batch(text: str) -> Any:
    """Read a number of samples, or the word `auto`. Raises typer.BadParameter."""
    if text == "auto":
        return text
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= MAX_WHOLE:
        raise typer.BadParameter(f"it is a whole number from 1 to {MAX_WHOLE}, or auto, found '{cut(text, 40)}'")
    return int(text)


SpecArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="SPEC", help="A file, or a name in the zoo.", autocompletion=complete_spec)
]
NetworkArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="SPEC", help="A file, a name in the zoo, or an ONNX model (*.onnx).", autocompletion=complete_spec
    ),
]
SetOption: TypeAlias = Annotated[
    list[str], shared_option("--set", metavar="PARAM=VALUE", note="as in --set classes=10")
]
SizeOption: TypeAlias = Annotated[
    list[str], typer.Option("--size", metavar="SIZE=VALUE", help="Choose a dynamic size, as in --size H=256.")
]
MaxNodesOption: TypeAlias = Annotated[
    int, typer.Option("--max-nodes", min=1, help="How many nodes a spec may expand to.")
]
BatchOption: TypeAlias = Annotated[
    int, shared_option("--batch", min=1, max=MAX_WHOLE, metavar="N", note="whose memory is counted")
]
PrecisionOption: TypeAlias = Annotated[
    FloatPrecision | None,
    shared_option("--precision", note="default: a file's own, else fp32"),
]
OptimizerOption: TypeAlias = Annotated[
    Literal["sgd", "momentum", "adam"], typer.Option("--optimizer", help="Whose state the memory of training holds.")
]
ThreadsOption: TypeAlias = Annotated[
    int | None, typer.Option("--threads", min=1, help="CPU threads of one operation (default: the library's choice).")
]
ProviderOption: TypeAlias = Annotated[
    list[str],
    shared_option("--provider", metavar="NAME", note="may be repeated; default: the best that works"),
]
McBatchOption: TypeAlias = Annotated[
    int | None,
    typer.Option("--mc-batch", metavar="N", min=2, help=f"Images in such a mini-batch (default: {MC_BATCH})."),
]
ModelArgument: TypeAlias = Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model file.")]
PreprocessOption: TypeAlias = Annotated[
    str | None,
    shared_option("--preprocess", metavar="NAME|FILE", note="imagenet, whose weights', or YAML or JSON"),
]
ClassesOption: TypeAlias = Annotated[
    str | None,
    shared_option("--classes", metavar="NAME|FILE", note="imagenet, voc, or a file with a name on each line"),
]
ForceOption: TypeAlias = Annotated[bool, shared_option("--force")]
SeedOption: TypeAlias = Annotated[int, shared_option("--seed", min=0, metavar="N")]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def _read_ground(text: str) -> Any:
    from runtime.pictures.file import parse_ground  # here, since it needs Pillow

    return parse_ground(text)


GroundOption: TypeAlias = Annotated[
    Any,
    typer.Option(
        "--ground",
        metavar="COLOUR",
        parser=_read_ground,
        help="What transparent pictures lie on: white, black or '#rrggbb'.",
    ),
]


def parse_params(given: Iterable[str]) -> dict[str, Any]:
    """Parse `name=value` pairs, each value as the language would read it."""
    from archspec.spec.params import parse_value

    return _parse_pairs(given, "--set", lambda name, text: parse_value(text, f"--set {name}"))


def parse_sizes(given: Iterable[str]) -> dict[str, int]:
    """Parse `H=224` pairs."""

    def parse(name: str, text: str) -> int:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= MAX_WHOLE:
            raise typer.BadParameter(f"--size {name} needs a whole number from 1, found '{cut(text, 40)}'")
        return int(text)

    return _parse_pairs(given, "--size", parse)


def _parse_pairs(given: Iterable[str], option: str, parse: Callable[[str, str], Any]) -> dict[str, Any]:
    pairs = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"{option} needs NAME=VALUE, found '{cut(pair, 60)}'")
        pairs[name] = parse(name, text)
    return pairs


PictureOption: TypeAlias = Annotated[Path | None, output_option("FILE.svg", "result.svg", "a picture of the result")]


def check_ending(path: str | Path | None, ending: str) -> None:
    """Refuse a file to write whose name says that it is something else."""
    if path is not None and Path(path).suffix.lower() != ending:
        raise typer.BadParameter(f"what is written is {ending[1:].upper()}: name it FILE{ending}, found '{path}'")


def refuse_replacing(output: Path | None, read: Iterable[str | Path], option: str = "--output") -> None:
    """Refuse to write in the place of what is read: of a folder, its pictures."""
    for source in list_files(read) if output is not None and os.path.exists(output) else ():
        if os.path.exists(source) and os.path.samefile(output or "", source):
            raise typer.BadParameter(f"{option} would replace {source}, which is read: give it another name")


def check_output(
    output: Path | None, kind: Kind, read: Iterable[str | Path], *, force: bool = False, option: str = "--output"
) -> None:
    """Refuse to write this kind of file in the place of what is read, and unless that is forced, of what is not of the
    kind; and refuse --force where nothing is written."""
    refuse_idle("--force", force or None, output is None, "the option that names a file")
    refuse_replacing(output, read, option)
    if output is not None:
        from archspec.replacing import check_gives_way

        check_gives_way(output, kind, force=force)


def list_files(read: Iterable[str | Path]) -> Iterator[str | Path]:
    """List what is read, and of folders their pictures."""
    from runtime.pictures.folder import find_pictures

    for source in read:
        yield source
        if os.path.isdir(source):
            with suppress(ArchspecError):  # which is told where it is read
                yield from find_pictures(source).paths


def build_graph(
    spec: str, params: Iterable[str], sizes: Iterable[str], max_nodes: int, allow: Iterable[str] = ()
) -> Any:
    """The graph of a spec, or of an ONNX file, as the options say."""
    return open_network(spec, params, sizes, max_nodes, allow)[0]


def open_network(
    source: str, params: Iterable[str], sizes: Iterable[str], max_nodes: int, allow: Iterable[str] = ()
) -> tuple[Any, Any]:
    """The graph as the options say, and the spec that it was made of, if it was."""
    from archspec import api
    from archspec.cli.allowing import load_allowed

    chosen = parse_params(params), parse_sizes(sizes)
    return api.open_network(source, *chosen, max_nodes=max_nodes, extensions=load_allowed(allow))


@contextmanager
def refusing(kind: type[ArchspecError], option: str = "") -> Iterator[None]:
    """Have a mistake of this kind in what an option says be wrong usage, like any other that the parser finds."""
    try:
        yield
    except kind as error:
        raise typer.BadParameter(f"{option}: {error}" if option else str(error)) from None


@contextmanager
def on_threads(threads: int | None, *, torch: bool = True) -> Iterator[None]:
    """Limit, for a while, the threads of operations of torch, where it computes, and of the sessions of ONNX Runtime
    that are opened; None leaves them alone. Raises ArchspecError, and MissingExtra without torch."""
    if threads is None:
        yield
        return
    from runtime.session.machine import limiting_threads

    with limiting_threads(threads):
        if not torch:
            yield
            return
        from compiler.torch_target.modes import limited_to

        with limited_to(threads):
            yield


def refuse_idle(option: str, value: object, idle: bool, reader: str) -> None:
    """Refuse an option that would change nothing: it is a misunderstanding."""
    if value is not None and idle:
        raise typer.BadParameter(f"{option} is read by {reader} alone")


def parse_share(text: str, option: str) -> float:
    """Parse `1%` or `0.01`. Raises typer.BadParameter."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{0,9})?)(%?)", text)
    share = float(found[1] + ("e-2" if found[2] else "")) if found else 1.0
    if share >= 1:
        raise typer.BadParameter(f"{option} is a share below 1, as in 1% or 0.01, found '{cut(text, 40)}'")
    return share
