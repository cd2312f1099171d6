"""Exact parameter counts that others have published for their own implementations, also for sizes of a family that the
zoo does not name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from archspec.api import elaborate, load
from compiler.analysis.cost.cost import measure_cost

SEMERY = "imgclsmob (O. Sémery), table for CIFAR-10"

IMAGENET = "imgclsmob (O. Sémery), table for ImageNet"

PUBLISHED: list[tuple[str, Mapping[str, Any], int, str]] = [
    ("mlp", {}, 3_841, "Prince, 2023, problem 11.8"),
    ("mlp_norm", {}, 4_241, "Prince, 2023, problem 11.8"),
    ("preresnet200", {"depths": [3, 4, 6, 3]}, 25_549_480, f"{IMAGENET}: PreResNet-50b"),
    ("preresnet200", {"depths": [3, 4, 23, 3]}, 44_541_608, f"{IMAGENET}: PreResNet-101b"),
    ("preresnet200", {"depths": [3, 8, 36, 3]}, 60_185_256, f"{IMAGENET}: PreResNet-152b"),
    ("preresnet200", {}, 64_666_280, f"{IMAGENET}: PreResNet-200b"),
    ("se_resnet50", {}, 28_088_024, f"{IMAGENET}: SE-ResNet-50"),
    ("se_resnet50", {"depths": [3, 4, 23, 3]}, 49_326_872, f"{IMAGENET}: SE-ResNet-101"),
    ("shufflenet_v1_g3", {"groups": 1, "widths": [144, 288, 576]}, 1_531_936, f"{IMAGENET}: ShuffleNet x1.0 (g=1)"),
    ("shufflenet_v1_g3", {"groups": 2, "widths": [200, 400, 800]}, 1_733_848, f"{IMAGENET}: ShuffleNet x1.0 (g=2)"),
    ("shufflenet_v1_g3", {}, 1_865_728, f"{IMAGENET}: ShuffleNet x1.0 (g=3)"),
    ("shufflenet_v1_g3", {"groups": 4, "widths": [272, 544, 1088]}, 1_968_344, f"{IMAGENET}: ShuffleNet x1.0 (g=4)"),
    ("shufflenet_v1_g8", {}, 2_434_768, f"{IMAGENET}: ShuffleNet x1.0 (g=8)"),
    ("simple_baseline_resnet50", {}, 33_999_697, "imgclsmob (O. Sémery), table for COCO: SimplePose(ResNet-50b)"),
    ("resnet20", {"shortcut": 2}, 272_474, f"{SEMERY}: ResNet-20"),
    ("resnet56", {"shortcut": 2}, 855_770, f"{SEMERY}: ResNet-56"),
    ("resnet110", {"shortcut": 2}, 1_730_714, f"{SEMERY}: ResNet-110"),
    ("resnet1202", {"shortcut": 2}, 19_424_026, f"{SEMERY}: ResNet-1202"),
    ("preresnet110", {"blocks": 3}, 272_282, f"{SEMERY}: PreResNet-20"),
    ("preresnet110", {"blocks": 9}, 855_578, f"{SEMERY}: PreResNet-56"),
    ("preresnet110", {}, 1_730_522, f"{SEMERY}: PreResNet-110"),
    ("preresnet110", {"blocks": 200}, 19_423_834, f"{SEMERY}: PreResNet-1202"),
    ("preresnet164", {}, 1_703_258, f"{SEMERY}: PreResNet-164(BN)"),
    ("preresnet164", {"blocks": 30}, 2_816_090, f"{SEMERY}: PreResNet-272(BN)"),
    ("preresnet164", {"blocks": 60}, 5_598_170, f"{SEMERY}: PreResNet-542(BN)"),
    ("preresnet1001", {}, 10_327_706, f"{SEMERY}: PreResNet-1001"),
    ("resnext29_32x4d", {}, 4_775_754, f"{SEMERY}: ResNeXt-29 (32x4d)"),
    ("resnext29_16x64d", {}, 68_155_210, f"{SEMERY}: ResNeXt-29 (16x64d)"),
    ("densenet_bc_100_12", {"layers": 6}, 176_122, f"{SEMERY}: DenseNet-BC-40 (k=12)"),
    ("densenet_bc_100_12", {"layers": 6, "growth": 24}, 690_346, f"{SEMERY}: DenseNet-BC-40 (k=24)"),
    ("densenet_bc_100_12", {}, 769_162, f"{SEMERY}: DenseNet-BC-100 (k=12)"),
    ("densenet_bc_100_12", {"layers": 31, "growth": 40}, 25_624_430, f"{SEMERY}: DenseNet-BC-190 (k=40)"),
    ("densenet_bc_100_12", {"layers": 41, "growth": 24}, 15_324_406, f"{SEMERY}: DenseNet-BC-250 (k=24)"),
    ("wide_resnet28_10", {"blocks": 2}, 17_116_634, f"{SEMERY}: WRN-16-10"),
    ("wide_resnet28_10", {}, 36_479_194, f"{SEMERY}: WRN-28-10"),
    ("wide_resnet40_4", {"widen": 8}, 35_748_314, f"{SEMERY}: WRN-40-8"),
    ("shake_shake26_2x32d", {}, 2_923_162, f"{SEMERY}: Shake-Shake-ResNet-26-2x32d"),
    ("shake_shake26_2x32d", {"blocks": 3, "width": 16}, 541_082, f"{SEMERY}: Shake-Shake-ResNet-20-2x16d"),
]


@pytest.mark.parametrize(("name", "params", "count", "source"), PUBLISHED, ids=[row[3] for row in PUBLISHED])
def test_parameters_are_the_published_ones(name: str, params: Mapping[str, Any], count: int, source: str) -> None:
    assert measure_cost(elaborate(load(name, params))).parameters == count
