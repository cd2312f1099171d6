"""Steps of training of archspec's modules against torchvision's same networks: one loop, in turns, in one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.measuring import Comparison, Sample, interleave, say, timing

NETWORKS = ("resnet18", "resnet50")
SIDE, BATCH, STEPS = 112, 8, 3
"""The side of an image in pixels, the images of a step, and the steps of a measurement."""

LEAST = 0.98
"""The wanted share of the peer's images per second."""


def time_steps(name: str, rounds: str, form: str) -> dict[str, list[Sample]]:
    """Time steps of both modules, eager or compiled, each from weights of its own on the same images."""
    import torch

    from archspec.api import elaborate, load, to_torch
    from tests.support.torchvision_models import find_torchvision_model

    graph = elaborate(load(name), {"H": SIDE, "W": SIDE})
    modules = {"archspec": to_torch(graph), "torchvision": find_torchvision_model(name)(weights=None)}
    counts = {key: sum(weight.numel() for weight in module.parameters()) for key, module in modules.items()}
    assert len(set(counts.values())) == 1, counts
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, SIDE, SIDE, generator=generator)
    labels = torch.randint(0, 1000, (BATCH,), generator=generator)
    steps = {key: timing(_make_steps(module, images, labels, form)) for key, module in modules.items()}
    return interleave(steps, int(rounds))


def _make_steps(module: Any, images: Any, labels: Any, form: str) -> Callable[[], None]:
    """Some steps of SGD with Nesterov's momentum, as recipes have it, from wherever the module is."""
    import torch
    from torch.nn import functional as F

    module.train()
    forward = torch.compile(module) if form == "compiled" else module
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9, nesterov=True)

    def step() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(forward(images), labels).backward()
            optimizer.step()

    return step


def compare_steps(run: Callable[..., Any], rounds: int, quick: bool) -> list[Comparison]:
    """Compare the modules in a process for each network and form; compiled ones take minutes, and are left out of a
    quick run."""
    rows = []
    for form in ("eager",) if quick else ("eager", "compiled"):
        for name in NETWORKS[:1] if quick else NETWORKS:
            say(f"{name}, {form}")
            found = run("steps", name, rounds, form)
            what = f"{name}, a step of {BATCH} images of {SIDE}², {form}"
            rows.append(Comparison(what, "torchvision", found["archspec"], found["torchvision"], wanted=LEAST))
    return rows
