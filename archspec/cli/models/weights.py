"""Commands on weights: convert, graft."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.commands import PlainCommand, PlainGroup
from archspec.cli.ending import COULD_NOT
from archspec.cli.examples import tell_examples
from archspec.cli.options import (
    ClassesOption,
    ForceOption,
    JsonOption,
    MaxNodesOption,
    PreprocessOption,
    SeedOption,
    SetOption,
    SizeOption,
    SpecArgument,
    output_option,
    parse_params,
    parse_sizes,
    refuse_replacing,
)
from archspec.cli.output import print_json, tell
from archspec.wording import list_some

weights = typer.Typer(
    name="weights",
    cls=PlainGroup,
    help="Take over weights that other libraries trained.",
    no_args_is_help=True,
    add_completion=False,
)


@weights.callback()
def group() -> None:
    """Take over weights that other libraries trained."""


@weights.command(cls=PlainCommand, epilog=tell_examples("weights convert"))
def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A state dict: safetensors, or .pth, .pt, .bin.")],
    to: Annotated[str, typer.Option("--to", metavar="SPEC", help="A file, or a name in the zoo.")],
    output: Annotated[Path, output_option("W.safetensors", "weights.safetensors", "the weights")],
    source: Annotated[
        str,
        typer.Option("--from", metavar="NAME", help="Whose names: torchvision, timm, archspec (its own) or auto."),
    ] = "auto",
    preprocess: PreprocessOption = None,
    classes: ClassesOption = None,
    set_: SetOption = [],
    size: SizeOption = [],
    max_nodes: MaxNodesOption = MAX_NODES,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Convert a state dict of torchvision or timm to a spec's names, by the rules beside it (SPEC.weights.yaml); one of
    the spec's own names, as torch saves it, needs none.

    Every weight of the spec needs a tensor of its shape, and every tensor a weight; else nothing is written, and what
    did not match is listed. What the library publishes of its weights goes along: how pictures become the input, and
    the names of the classes.
    """
    from dataclasses import replace

    from archspec import api
    from archspec.cli.progress import show_work
    from archspec.file_types import check_says_its_kind
    from archspec.files import as_argument, check_absent
    from archspec.weights import find_rules, match_weights, write_converted
    from runtime.export.answers import AnswerWords, answer_as_published

    refuse_replacing(output, [file, to, *filter(None, (preprocess, classes))])
    check_says_its_kind(output, "weights", ".safetensors")
    check_absent(output, force=force)
    spec = api.load(to, parse_params(set_))
    graph = api.elaborate(spec, parse_sizes(size), max_nodes=max_nodes)
    words = AnswerWords(preprocess=preprocess, classes=classes)
    with show_work(f"converting {file}"):
        conversion = match_weights(file, graph, find_rules(to, spec.params), source)
        published = answer_as_published(file, graph, to, conversion, words)
        if conversion.is_whole or not as_json:
            write_converted(output, graph, replace(conversion, facts=published.metadata))
    if not conversion.is_whole:
        print_json({"file": None, **conversion.to_dict(), **published.to_dict()})
        raise typer.Exit(COULD_NOT)
    if as_json:
        print_json({"file": str(output), **conversion.to_dict(), **published.to_dict()})
        return
    tell(f"wrote {output}: {len(conversion.pairs)} weights by the names of {' and '.join(conversion.sources)}")
    counters, others = conversion.counters, len(conversion.ignored) - conversion.counters
    if counters:
        tell(f"  {counters} counters of batches (num_batches_tracked) are left out: nothing reads them")
    if others:
        tell(f"  {others} tensors are left out, of parts that the spec has not")
    if published.told:
        tell(f"  {published.told}")
    pairs = [("--set", pair) for pair in set_] + [("--size", pair) for pair in size]
    chosen = "".join(f" {option} {shlex.quote(pair)}" for option, pair in pairs)
    tell(f"next: archspec export {as_argument(to)}{chosen} --weights {as_argument(output)}")


@weights.command(cls=PlainCommand, epilog=tell_examples("weights graft"))
def graft(
    spec: SpecArgument,
    into: Annotated[
        list[str],
        typer.Option("--into", metavar="NAME=FILE", help="The name of a call, and weights that go there."),
    ],
    output: Annotated[Path, output_option("W.safetensors", "weights.safetensors", "the weights")],
    base: Annotated[
        Path | None, typer.Option("--base", metavar="FILE", help="The other weights (default: they start anew).")
    ] = None,
    seed: SeedOption = 0,
    set_: SetOption = [],
    size: SizeOption = [],
    max_nodes: MaxNodesOption = MAX_NODES,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put trained weights of a network, as of an encoder, under the name of a call in another one.

    Weights that have no place there, as those of the encoder's classifier, are left, and told; all others of the
    network are those of --base, or start anew.
    """
    from archspec import api
    from archspec.file_types import check_says_its_kind
    from archspec.files import check_absent
    from archspec.weights import read_weights
    from runtime.export.weights import check_fit
    from runtime.weights.graft import Graft, check_apart
    from runtime.weights.graft import graft as put
    from runtime.weights.safetensors_file import save_weights

    pairs = [pair.partition("=") for pair in into]
    if not all(name and file for name, _, file in pairs):
        raise typer.BadParameter("--into needs NAME=FILE, as in --into encoder=resnet50.safetensors")
    refuse_replacing(output, [*(file for _, _, file in pairs), *([base] if base else [])])
    check_says_its_kind(output, "weights", ".safetensors")
    check_absent(output, force=force)
    loaded, sizes = api.load(spec, parse_params(set_)), parse_sizes(size)
    graph = api.elaborate(loaded, sizes, max_nodes=max_nodes)
    if base is None:
        made = {name: value.numpy() for name, value in api.to_torch(graph, seed=seed).state_dict().items()}
    else:
        made = read_weights(base)[0]
        check_fit(base, made, graph, loaded, sizes)
    grafts: list[Graft] = []
    for name, _, file in pairs:
        made, told = put(graph, made, name, read_weights(file)[0])
        check_apart(told, grafts)
        grafts.append(told)
    save_weights(output, made, {})
    if as_json:
        print_json({"file": str(output), "grafts": [told.to_dict() for told in grafts]})
        return
    tell(f"wrote {output}: {len(made)} weights")
    for told in grafts:
        left = f"; {len(told.left)} have no place there: {list_some(told.left, 3, ', ')}" if told.left else ""
        stay = f"; {len(told.stay)} there are not given: {list_some(told.stay, 3, ', ')}" if told.stay else ""
        tell(f"  {told.into}: {len(told.taken)} weights taken{left}{stay}")
    others = len(made) - len({name for told in grafts for name in told.taken})
    if others:
        tell(f"  {others} weights " + (f"start anew, from seed {seed}" if base is None else f"are those of {base}"))
