"""What an earlier run left in its folder: it goes when another takes its place, and nothing of the user's does."""

from __future__ import annotations

from pathlib import Path

from archspec.files import is_plain_file, list_folder
from runtime.run_folder import MODEL, PICTURE, SAMPLE, SAMPLES, WEIGHTS, list_trained


def remove_older_run(folder: Path) -> None:
    """Remove what was made of the run in a folder: its weights before all else, since a folder without weights is no
    run to anybody, its pictures, and its model with the forms that were made of that. Spec and metrics are left to be
    replaced. Raises OSError."""
    models = list_older_models(folder)
    if not list_trained(folder):
        return
    (folder / WEIGHTS).unlink(missing_ok=True)
    for picture in (folder / PICTURE, *_list_samples(folder)):
        picture.unlink(missing_ok=True)
    for model in models:
        _remove_model(model)


def list_older_models(folder: Path) -> list[Path]:
    """The model of a folder's run, if this program wrote it, behind the forms that were optimized from it. Raises
    MissingExtra where there is a model, and nothing to read it with."""
    model = folder / MODEL
    if not is_plain_file(model):
        return []
    from runtime.optimized import is_own, list_forms

    return [*list_forms(model), model] if is_own(model) else []


def _remove_model(model: Path) -> None:
    from runtime.older_data import find_older_data

    list_useless = find_older_data(model)
    model.unlink(missing_ok=True)
    for data in list_useless():
        data.unlink(missing_ok=True)


def _list_samples(folder: Path) -> list[Path]:
    """None where a link leads elsewhere: what lies there may be anybody's."""
    samples = folder / SAMPLES
    found = () if samples.is_symlink() else list_folder(samples) or ()
    return [path for path in found if SAMPLE.fullmatch(path.name) and is_plain_file(path)]
