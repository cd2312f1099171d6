"""The keys of recipes by their paths, and what other programs call them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from archspec.spec.suggestions import spell, suggest_slip

FOREIGN = """
optimizer.lr
    learningrate baselr lr0 initlr initiallr maxlr peaklr eta
optimizer.weight_decay
    wd decay l2 weightdecaybias
optimizer.layer_decay
    layerwisedecay llrd lrlayerdecay
optimizer.name
    optim opt
schedule
    scheduler lrscheduler lrschedule lrpolicy
schedule.warmup
    warmupsteps numwarmupsteps warmupiters warmuplength warmupratio
schedule.milestones
    decaysteps boundaries steplrmilestones
schedule.final
    etamin minlr lrmin finallr
epochs
    numepochs maxepochs nepochs numtrainepochs
steps
    maxsteps numsteps maxiters iterations iters totalsteps
batch
    batchsize bs trainbatchsize perdevicetrainbatchsize
accumulate
    accumulategradbatches gradientaccumulationsteps gradaccum accumulation nbs
loss
    criterion objective lossfn
loss.class_weights
    weight weights classweight
loss.outputs
    deepsupervision lossweights outputweights auxweight
mix.mixup
    mixupalpha
mix.cutmix
    cutmixalpha
clip
    gradclip clipgrad gradientclipval maxgradnorm maxnorm clipnorm gradclipnorm
ema
    emadecay modelema
precision
    amp mixedprecision fp16 bf16 dtype autocast
memory_format
    channelslast
compile
    torchcompile jit
early_stopping.patience
    earlystop earlystopping
data.workers
    numworkers dataloadernumworkers
data.validation
    val valsplit valfraction validationsplit valshare
data.test
    testsplit testfraction holdout
data.size
    imgsize imagesize imgsz inputsize cropsize patchsize
augment.flip
    hflip vflip fliplr flipud horizontalflip randomhorizontalflip mirror
augment.rotate
    degrees rotation randomrotation
augment.pad_crop
    randomcrop padandcrop
augment.auto
    autoaugment randaugment trivialaugment policy
augment.erase
    randomerasing cutout
augment
    augmentation augmentations transforms transform
test_time_augmentation
    tta
freeze
    frozen freezelayers
seed
    randomseed randomstate
threads
    numthreads
evaluate_every
    evalsteps evalinterval valinterval validationinterval
checkpoint_every
    savesteps saveinterval checkpointinterval
keep_checkpoints
    savetotallimit savetopk
"""
"""The paths, and below each the words that other programs have for it, in small letters without `_`."""

VALUES = {
    "adam": ("adamw", "without weight decay, `weight_decay: 0`, it is Adam"),
    "momentum": ("sgd", "which has a momentum"),
    "rmsprop": ("adamw", "there is no RMSprop"),
    "lamb": ("", "there is no LAMB"),
    "lion": ("", "there is no Lion"),
    "cosineannealing": ("cosine", ""),
    "cosineannealinglr": ("cosine", ""),
    "multistep": ("step", ""),
    "multisteplr": ("step", ""),
    "steplr": ("step", "with its `milestones`"),
    "onecyclelr": ("one_cycle", ""),
    "poly": ("polynomial", ""),
    "polynomiallr": ("polynomial", ""),
    "linear": ("polynomial", "with `power: 1`"),
    "none": ("constant", ""),
    "plateau": ("", "no schedule goes by scores: `early_stopping` does"),
    "reducelronplateau": ("", "no schedule goes by scores: `early_stopping` does"),
    "ce": ("cross_entropy", ""),
    "nll": ("cross_entropy", ""),
    "dicece": ("dice_cross_entropy", ""),
    "l2": ("mse", ""),
    "float32": ("fp32", ""),
    "bfloat16": ("bf16", ""),
    "float16": ("fp16", ""),
    "half": ("fp16", ""),
    "amp": ("auto", ""),
    "classification": ("labels", ""),
    "segmentation": ("maps", ""),
    "semantic": ("maps", ""),
    "keypoints": ("joints", ""),
    "pose": ("joints", ""),
    "linearinterpolation": ("bilinear", ""),
    "mean": ("measured", ""),
    "lr": ("horizontal", ""),
    "ud": ("vertical", ""),
}
"""The words of other programs for values: what to write, or nothing, and what else there is to know."""


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """List the sections that an annotation allows."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for argument in get_args(annotation) for model in models_of(argument)]


def list_fields(model: type[BaseModel], at: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the name of every field of a section and of those in it."""
    for name, info in model.model_fields.items():
        yield f"{at}{name}", name
        for inner in models_of(info.annotation):
            yield from list_fields(inner, f"{at}{name}.")


@cache
def paths_by_word(root: type[BaseModel]) -> Mapping[str, tuple[str, ...]]:
    """Give the paths that each word, spelled alike, may mean in a section: the keys in it by their last names, then
    those of a recipe that have other names elsewhere."""
    found: dict[str, dict[str, None]] = {}
    for path, name in list_fields(root):
        found.setdefault(spell(name), {})[path] = None
    path = ""
    for line in FOREIGN.split("\n"):
        if not line.startswith(" "):
            path = line
            continue
        for word in line.split():
            found.setdefault(word, {})[path] = None
    return {word: tuple(paths) for word, paths in found.items()}


def suggest_key(word: str, at: str, section: type[BaseModel], root: type[BaseModel]) -> str:
    """Suggest what to write instead of an unknown key of a section, which stands at the path `at` in `root`, as the end
    of a message; keys are written with their whole paths."""
    known, here = list(section.model_fields), f"{at}." if at else ""
    own, spelled = {spell(name): name for name in known}, spell(word[:40])
    if spelled in own:
        return f"; did you mean '{here}{own[spelled]}'?"
    paths = paths_by_word(root).get(spelled, ())
    for path in paths:
        scope, _, name = path.rpartition(".")
        if name in known and (scope == at or root is section):
            return f"; here it is `{here}{name}`"
        if scope == at and at in root.model_fields:  # of another kind of optimizer, or of schedule
            kinds = [kind for kind in models_of(root.model_fields[at].annotation) if name in kind.model_fields]
            names = [str(kind.model_fields["name"].default) for kind in kinds]
            return f"; only {', '.join(names)} {'has' if len(names) == 1 else 'have'} it"
    elsewhere = " or ".join(f"`{path}`" for path in paths[:3])
    there = f"`{at}` has" if at else "there is"
    if elsewhere:
        return f"; here it is {elsewhere}"
    return suggest_slip(word, known, here) or f"; {there} {', '.join(known)}"


def suggest_value(word: str, known: Sequence[str]) -> str:
    """Suggest what to write instead of an unknown value, as the end of a message."""
    own = {spell(value): value for value in known}
    spelled = spell(word[:40])
    if spelled in own:
        return f"; did you mean '{own[spelled]}'?"
    written, note = VALUES.get(spelled, ("", ""))
    if written in known:
        return f"; here it is '{written}'{f', {note}' if note else ''}"
    if note and not written:
        return f"; {note}"
    return suggest_slip(word, known)


@cache
def default_kind(root: type[BaseModel], path: str) -> str | None:
    """Give the name of a section that has several kinds, an optimizer or a schedule, where it says none; None for all
    other paths."""
    info = root.model_fields.get(path)
    kinds = models_of(info.annotation) if info else []
    return str(kinds[0].model_fields["name"].default) if len(kinds) > 1 else None
