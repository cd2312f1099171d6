"""The networks of the benchmarks of inference, with weights as after training, as a torch module and as ONNX files.

Everybody computes with the same numbers: the module is `to_torch` of the zoo's spec, made of torch's own layers, or for
transformers torchvision's own, and every exporter gets that module and its weights. The batch of every file is dynamic.
Height and width are dynamic in archspec's files and fixed in the others, whose exporters cannot always keep them free
and which gain by it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measuring import SEED

NETWORKS: Mapping[str, int] = {
    "resnet18": 224,
    "resnet50": 224,
    "preresnet164": 32,
    "resnext50_32x4d": 224,
    "densenet121": 224,
    "unet": 188,
    "hourglass2": 128,
    "mobilenet_v2": 224,
    "vit_b_16": 224,
    "swin_t": 224,
}
"""Height and width in pixels of the images that each is measured with: the usual ones, but for U-Net (572) and the
hourglass (256), which are given less so that a batch of 32 takes seconds."""

TORCHVISION = ("vit_b_16", "swin_t")
"""The networks of which the others get torchvision's module: in ours projections of tokens are convolutions, of which
no exporter makes products."""

BATCHES = (1, 8, 32)

ARCHSPEC = {"archspec": "any", "archspec for cpu": "cpu"}
"""The targets of archspec's own files: `archspec export --for`."""

EXPORTERS = (*ARCHSPEC, "dynamo", "dynamo, slim", "torchscript", "torchscript, slim")


def build_graph(name: str, side: int | None = None) -> Any:
    """The graph of a spec for square images of that many pixels, or of the spec's own size, which some have alone."""
    from archspec import elaborate, load

    spec = load(name)
    return elaborate(spec, None if side is None else dict.fromkeys(spec.sizes, side))


def load_module(name: str, weights: Path, side: int | None = None) -> Any:
    """The torch module, for inference; its weights are mapped, without a second copy."""
    if name in TORCHVISION:
        return build_theirs(name)
    from safetensors.torch import load_file

    from archspec import to_torch

    module = to_torch(build_graph(name, side))
    module.load_state_dict(load_file(weights), assign=True)
    return module.eval()


def prepare_weights(name: str, path: Path, side: int | None = None) -> None:
    """Weights as after a little training: the statistics of BatchNorm are those of some passes, its scales and all
    biases differ."""
    import torch
    from safetensors.torch import save_file

    from archspec import to_torch

    if name in TORCHVISION:
        _convert_theirs(name, path)
        return
    torch.manual_seed(SEED)
    graph = build_graph(name, side)
    module = to_torch(graph, seed=SEED).train()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                part.weight.uniform_(0.5, 1.5)
            bias = getattr(part, "bias", None)
            if bias is not None:
                bias.normal_(0, 0.1)
        for _ in range(3):
            module(make_images(graph, 4))
    save_file(module.state_dict(), path)


def build_theirs(name: str) -> Any:
    """torchvision's module, the same one every time, with all biases off zero: onnxslim takes additions of zeros
    away."""
    import torch

    from tests.support.torchvision_models import find_torchvision_model

    torch.manual_seed(SEED)
    module = find_torchvision_model(name)(weights=None)
    with torch.no_grad():
        for tensor in module.parameters():
            if tensor.dim() == 1:
                tensor.add_(0.1 * torch.randn(tensor.shape))
            elif not tensor.any():
                tensor.normal_(0, 0.02)
    return module.eval()


def _convert_theirs(name: str, path: Path) -> None:
    """Write the weights of torchvision's module under our names."""
    from safetensors.numpy import save_file

    from archspec import load
    from archspec.weights import find_rules
    from runtime.weights.convert import convert
    from runtime.weights.safetensors_file import StoredTensor

    state = build_theirs(name).state_dict()
    stored = {key: StoredTensor(tuple(value.shape), "float32", value.numpy) for key, value in state.items()}
    save_file(convert(stored, build_graph(name), find_rules(name, load(name).params), "torchvision").read(), path)


def make_images(graph: Any, batch: int) -> Any:
    """Standard normal images as a torch tensor, the same ones every time."""
    import torch

    (name,) = graph.inputs
    return torch.randn(batch, *graph[name].shape, generator=torch.Generator().manual_seed(SEED))


def export(name: str, exporter: str, weights: Path, path: Path, side: int | None = None) -> None:
    """Write the network's ONNX file by one of EXPORTERS."""
    kind, _, form = exporter.partition(", ")
    if kind in ARCHSPEC:
        _export_archspec(name, ARCHSPEC[kind], weights, path)
        return
    from benchmarks import peers

    example = make_images(build_graph(name, side), 2)
    peers.export(load_module(name, weights, side), path, example, dynamo=kind == "dynamo", external_data=False)
    if form:
        peers.slim(path, path)


def _export_archspec(name: str, target: Any, weights: Path, path: Path) -> None:
    from safetensors.numpy import load_file

    from compiler.onnx_target.model import build_model
    from compiler.onnx_target.options import ExportOptions
    from compiler.onnx_target.write import write_model

    write_model(build_model(build_graph(name), load_file(weights), options=ExportOptions(target=target)), path)


def remember(path: Path, folder: Path | None, make: Callable[[Path], object], *facts: object) -> None:
    """Make a file, or where there is a folder for it, take the one that was made of the same facts and code before."""
    if folder is None:
        make(path)
        return
    key = hashlib.sha256(repr((facts, _fingerprint())).encode()).hexdigest()[:16]
    kept = folder / f"{key}{path.suffix}"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(path)
        shutil.copyfile(path, kept)
    shutil.copyfile(kept, path)


@cache
def _fingerprint() -> str:
    """Hash all that a peer's file depends on: this folder's code and the exporters' versions."""
    code = b"".join((Path(__file__).parent / name).read_bytes() for name in ("networks.py", "peers.py"))
    versions = [version(name) for name in ("torch", "onnx", "onnxscript", "onnxslim")]
    return hashlib.sha256(code + repr(versions).encode()).hexdigest()
