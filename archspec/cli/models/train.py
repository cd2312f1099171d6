"""The command `train`: a spec and a data set → a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption, load_allowed
from archspec.cli.completion import complete_data, complete_recipe
from archspec.cli.ending import COULD_NOT
from archspec.cli.options import (
    GroundOption,
    JsonOption,
    MaxNodesOption,
    SizeOption,
    SpecArgument,
    ThreadsOption,
    check_ending,
    check_output,
    names_file,
    parse_params,
    parse_sizes,
    read_batch,
    refuse_idle,
    shared_option,
)
from archspec.cli.output import print_json, tell
from archspec.files import as_argument

if TYPE_CHECKING:
    from archspec.spec.spec import Spec
    from runtime.recipes.recipe import Recipe
    from runtime.training.callbacks import TrainingCallback
    from runtime.training.loop import TrainResult


def train(
    spec: SpecArgument,
    data: Annotated[
        str,
        shared_option(
            "--data",
            metavar="NAME|DIR",
            autocompletion=complete_data,
            note="a folder, or a name: digits, digit_maps, digit_points, fashion_mnist, mnist, cifar10 or cifar100",
        ),
    ],
    recipe: Annotated[
        str | None,
        shared_option(
            "--recipe",
            metavar="NAME|FILE",
            autocompletion=complete_recipe,
            note="a name of archspec list --recipes, or a file; default: the one named default",
        ),
    ] = None,
    output: Annotated[
        Path | None, shared_option("--output", "-o", metavar="RUN", note="a folder; default: runs/NAME, or NAME-2, …")
    ] = None,
    force: Annotated[bool, shared_option("--force", note="a run that is in the folder")] = False,
    set_: Annotated[
        list[str],
        shared_option(
            "--set", metavar="PARAM=VALUE", note="of the spec, or a key of the recipe, as in --set optimizer.lr=0.1"
        ),
    ] = [],
    size: SizeOption = [],
    data_dir: Annotated[
        Path | None, shared_option("--data-dir", metavar="DIR", note="default: ~/.cache/archspec, /usr/share/datasets")
    ] = None,
    fold: Annotated[
        str | None, typer.Option("--fold", metavar="K/N", help="Hold out part K of N of the images, as in 2/5.")
    ] = None,
    ground: GroundOption = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images and masks that cannot be read, and say which.")
    ] = False,
    resume: Annotated[
        str,
        typer.Option(
            "--resume",
            metavar="auto|CHECKPOINT|never",
            help="Go on with the run in -o RUN from its newest checkpoint (auto), or from any one.",
        ),
    ] = "never",
    init: Annotated[
        Path | None,
        typer.Option("--init", metavar="WEIGHTS", help="Begin from these weights: safetensors, or .pth."),
    ] = None,
    reset: Annotated[
        list[str],
        typer.Option(
            "--reset",
            metavar="head|NAME",
            help="Draw these of them anew: of the layers that give the outputs, or of a name or pattern.",
        ),
    ] = [],
    quantize: Annotated[
        Literal["u8s8", "s8s8"] | None,
        typer.Option(
            "--quantize",
            help="Train in integers, as the int8 file computes, from --init WEIGHTS: u8s8 for CPUs, s8s8 for TensorRT.",
        ),
    ] = None,
    reduce_range: Annotated[
        bool, typer.Option("--reduce-range", help="int8 weights of seven bits, for CPUs without VNNI.")
    ] = False,
    find_lr: Annotated[
        Path | None,
        shared_option("--find-lr", metavar="FILE.svg", parser=names_file("rates.svg")),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the training images (default: the recipe's).")
    ] = None,
    batch: Annotated[
        Any,
        shared_option(
            "--batch",
            parser=read_batch,
            metavar="N|auto",
            note="of a step, auto: as many as memory holds; default: the recipe's",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option("--learning-rate", "--lr", help="The highest, after the warm-up (default: the recipe's)."),
    ] = None,
    ramp_drop: Annotated[
        bool,
        typer.Option("--ramp-drop", help="Let survival in stochastic depth and ShakeDrop fall from 1 to its value."),
    ] = False,
    seed: Annotated[int | None, shared_option("--seed", min=0, metavar="N", note="default: the recipe's")] = None,
    cache: Annotated[
        Literal["ram", "disk", "off"] | None,
        typer.Option("--cache", help="Where decoded images are kept for all epochs (default: the recipe's)."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="NAME", help="cpu, cuda or cuda:1 (default: a GPU, if any)."),
    ] = None,
    threads: ThreadsOption = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            min=1,
            max=1024,
            metavar="N",
            help="Train in N processes of this machine, each with its part of the batch (default: one).",
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard's events into the run's folder too.")
    ] = False,
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Train on a data set, by a recipe; leaves spec.yaml, recipe.yaml, weights.safetensors, metrics.jsonl and
    checkpoints in the run's folder."""
    from archspec import api
    from archspec.cli.progress import follow_training
    from runtime.data.known import locate
    from runtime.int8.aware import choose_reshaping
    from runtime.training.distributed import choose_after_restart, is_launched, is_main
    from runtime.training.run_folder import write_export
    from runtime.training.training_run import TrainingChoices

    given = {
        "--epochs": ("epochs", epochs),
        "--batch": ("batch", batch),
        "--lr": ("optimizer.lr", learning_rate),
        "--fold": ("data.fold", fold),
        "--ground": ("data.ground", ground and f"#{bytes(ground).hex()}"),
        "--skip-bad": ("data.skip_bad", skip_bad or None),
        "--ramp-drop": ("ramp_drop", ramp_drop or None),
        "--seed": ("seed", seed),
        "--threads": ("threads", threads),
        "--cache": ("data.cache", cache),
    }
    loaded, settings = _choose(spec, recipe, set_, given, allow)
    refuse_idle("--force", force or None, output is None, "-o RUN")
    refuse_idle("--reduce-range", reduce_range or None, quantize is None, "--quantize u8s8|s8s8")
    if resume == "auto" and output is None:
        raise typer.BadParameter("--resume auto goes on with the run in -o RUN: name it")
    if is_launched() and output is None:
        raise typer.BadParameter("processes that torchrun started need one folder for all: name it with -o RUN")
    data = locate(data, data_dir)
    fitting: dict[str, Any] = {
        "sizes": parse_sizes(size),
        "max_nodes": max_nodes,
        "init": init,
        "reset": reset,
        "device": device,
        "words": [f"--allow {as_argument(one)}" for one in allow],
    }
    reshaping = choose_reshaping(quantize, reduce_range)
    if find_lr is not None:
        refuse_idle("--output", output, True, "a training, and --find-lr keeps nothing of one")
        _find_rate(loaded, data, settings, find_lr, fitting | {"reshaping": reshaping}, as_json=as_json)
        return
    with _find_folder(output, loaded.name) as folder, follow_training() as follower:
        if processes and processes > 1 and not is_launched():
            _launch(folder, processes, threads)
            return
        begun = resume
        resume, force = choose_after_restart(folder, resume, force=force)
        if resume != begun:  # all were started anew, and what they began from is behind them
            fitting |= {"init": None, "reset": ()}
        result = api.train(
            loaded,
            data,
            settings,
            folder=folder,
            resume=resume,
            force=force,
            on_step=follower.on_step,
            on_read=follower.on_read,
            callbacks=_list_callbacks(folder, tensorboard=tensorboard),
            quantize=quantize,
            reduce_range=reduce_range,
            **fitting,
        )
    if not is_main():
        return
    if as_json:
        print_json({**result.to_dict(), "folder": str(folder)})
        return
    tell(_describe_scores(result))
    tell(f"wrote {folder}/: {_list_made(folder)}")
    tell(f"next: {write_export(folder, result.facts, TrainingChoices(**fitting).all_words)}")


def _list_made(folder: Path) -> str:
    """List what a run has, and of its pictures those that could be drawn."""
    from runtime.runs.page import PAGE
    from runtime.training.run_folder import CHECKPOINTS, METRICS, RECIPE, SHEET, SPEC, WEIGHTS

    drawn = [name for name in (SHEET, PAGE) if (folder / name).exists()]
    return ", ".join([SPEC, RECIPE, WEIGHTS, METRICS, f"{CHECKPOINTS}/", *drawn])


def _launch(folder: Path, processes: int, threads: int | None) -> None:
    """Start the processes, each with this command's own words, and the folder that was chosen."""
    from runtime.training.launching import launch, strip_words

    words = strip_words(sys.argv[1:], {"--processes": 1, "-o": 1, "--output": 1})
    if not launch([*words, "-o", str(folder)], processes, threads):
        raise typer.Exit(COULD_NOT)  # the process whose error it was has said it


def _find_rate(spec: Spec, data: str, recipe: Recipe, path: Path, fitting: Mapping[str, Any], *, as_json: bool) -> None:
    """Find a learning rate by a range test, and draw it."""
    from archspec.cli.progress import follow_steps
    from archspec.replacing import PICTURE
    from runtime.runs.rates import draw_rates
    from runtime.training.training_run import TrainingChoices, search_rate

    check_ending(path, ".svg")
    check_output(path, PICTURE, (), option="--find-lr")
    with follow_steps("learning rates") as on_step:
        found = search_rate(spec, data, recipe, TrainingChoices(**fitting), on_step)
    draw_rates(found, path)
    if as_json:
        print_json({**found.to_dict(), "picture": str(path)})
        return
    tell(f"the loss falls most steeply at a learning rate of {found.steepest:.2g}: --lr {found.steepest:.2g}")
    last = "" if found.has_risen else ", the last that was tried: no rate was too large"
    tell(f"it is lowest at {found.lowest:.2g}{last}; wrote {path}")
    if found.tenth < found.steepest:
        tell(f"more cautious: {found.tenth:.2g}, a tenth of the rate at which the loss is lowest")


def _list_callbacks(folder: Path, *, tensorboard: bool) -> list[TrainingCallback]:
    """List what hears of the training, beside those who look at the terminal."""
    from runtime.runs.watching import EventWriter, RunPainter

    return [RunPainter(folder), *([EventWriter(folder)] if tensorboard else [])]


def _choose(
    spec: str,
    recipe: str | None,
    settings: list[str],
    given: Mapping[str, tuple[str, Any]],
    allow: list[str],
) -> tuple[Spec, Recipe]:
    """The spec and the recipe, with the settings that are for each of them; and what other options say, the keys of the
    recipe with their values."""
    from archspec import api
    from runtime.recipes.document import RecipeDocument
    from runtime.recipes.overrides import apply_overrides, put_value, route_settings

    extensions = load_allowed(allow)
    loaded = api.load(spec, extensions=extensions)
    for_spec, for_recipe = route_settings(settings, loaded.params)
    loaded = api.load(spec, parse_params(for_spec), extensions=extensions)
    document = RecipeDocument.empty() if recipe is None else RecipeDocument.read(recipe)
    document = apply_overrides(document, for_recipe)
    for option, (path, value) in given.items():
        if value is not None:
            document = put_value(document, path, value, option)
    for note in document.notes:
        tell(note, stderr=True)
    return loaded, document.check()


def _describe_scores(result: TrainResult) -> str:
    """Say what came of the training: of its test images, or of those that chose where there are none."""
    last = result.history[-1]
    part, measured = ("test", result.test) if result.test else (last.part, last.measured)
    scores = ", ".join(f"{part} {name.replace('_', ' ')} {score:.4f}" for name, score in measured.scores.items())
    chosen = f"; the weights are those of step {result.best}" if result.best not in (None, result.steps) else ""
    return f"{scores} on {measured.images} held-out images; {result.seconds:.0f} s{chosen}"


@contextmanager
def _find_folder(output: Path | None, name: str) -> Iterator[Path]:
    """The folder that was chosen, or one that is new, which is gone again where nothing got into it."""
    if output is not None:
        yield output
        return
    from runtime.training.run_folder import claim_folder

    folder = claim_folder(name)
    if folder.name != name:
        tell(f"{folder.with_name(name)} is there already: this run goes to {folder}", stderr=True)
    try:
        yield folder
    finally:
        with suppress(OSError):  # it is not empty
            folder.rmdir()
