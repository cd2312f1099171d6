"""Examples of each command, which stand at the end of its help."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "check": ("check my_net.yaml", "check my_net.yaml --set width=64 --size H=96"),
    "list": ("list", "list resnet --descriptions", "list --blocks", "list --recipes"),
    "show": (
        "show resnet50 --size H=96 --size W=96",
        "show model.onnx",
        "show blocks/resnet bottleneck",
        "show recipes/he2015",
    ),
    "init": ("init my_net.yaml",),
    "schema": ("schema > archspec.schema.json", "schema --recipe > recipe.schema.json"),
    "lint": ("lint my_net.yaml", "lint model.onnx --ignore idle-relu"),
    "explain": ("explain shape-mismatch", "explain"),
    "analyze": ("analyze resnet50 --memory --batch 256 --fits 24GiB", "analyze my_net.yaml --all --json"),
    "unravel": ("unravel residual_mlp --set blocks=3",),
    "diff": ("diff resnet50 my_net.yaml", "diff resnet50 resnet50 --set-b classes=10 --exit-code"),
    "assert": ('assert my_net.yaml "params <= 25.6M" "macs < 4.2G"',),
    "fit": ('fit wide_resnet28_10 --vary widen --budget "params <= 5M" -o small.yaml',),
    "draw": ("draw resnet50 -o resnet50.svg", "draw my_net.yaml -o my_net.html --depth 2"),
    "report": ("report resnet50 -o report.html",),
    "train": (
        "train resnet_digits --data digits --epochs 10 -o runs/digits",
        "train resnet_digits --data digits --resume auto -o runs/digits",
        "train resnet_digits --data digits --find-lr rates.svg",
        "train resnet_digits --data digits --quantize u8s8 --init weights.safetensors --epochs 4 --lr 0.005",
        "train resnet20 --recipe he2015 --data cifar10 --set steps=2000 --set optimizer.lr=0.05",
    ),
    "data list": ("data list", "data list --data-dir ~/data --json"),
    "data check": ("data check ~/data/cells", "data check ~/data/pets --fold 2/5 --sheet samples.png"),
    "runs": ("runs", "runs --folder experiments --json"),
    "runs compare": ("runs compare runs/plain runs/residual -o curves.svg",),
    "runs draw": ("runs draw runs/resnet_digits",),
    "export": (
        "export my_net.yaml --weights weights.safetensors -o model.onnx",
        "export my_net.yaml --weights weights.safetensors --precision int8 --data images/",
        "export my_net.yaml --weights weights.safetensors --preprocess imagenet --classes names.txt",
    ),
    "verify": ("verify model.onnx", "verify model.onnx --against my_net.yaml weights.safetensors"),
    "evaluate": ("evaluate runs/digits",),
    "run": ("run model.onnx photo.jpg --top 5", "run model.onnx values.npy -o outputs.npz"),
    "bench": ("bench model.onnx --batch 1 --batch 32",),
    "tune": ("tune model.onnx --batch 8 --seconds 30",),
    "doctor": ("doctor",),
    "weights graft": ("weights graft unet.yaml --into encoder=resnet18.safetensors -o unet.safetensors",),
    "weights convert": (
        "weights convert resnet18.pth --to resnet18 -o resnet18.safetensors",
        "weights convert resnet50.pth --to resnet50 --preprocess IMAGENET1K_V2 -o resnet50.safetensors",
    ),
    "shattering": ("shattering mlp:layers=24 residual_mlp -o shattering.svg",),
    "surface": ("surface runs/digits runs/digits/plain -o surface.svg",),
    "lesion": ("lesion runs/digits --plain train --max-drop 1%",),
}


def tell_examples(command: str) -> str:
    """The examples of a command as typer wants the end of a help: an empty line between lines. Raises TypeError for a
    command without examples."""
    if command not in EXAMPLES:
        raise TypeError(f"the command {command} lacks examples: archspec/cli/examples.py names some of each")
    examples = [f"  archspec {words}" for words in EXAMPLES[command]]
    return "\n\n".join(["Example:" if len(examples) == 1 else "Examples:", *examples])
