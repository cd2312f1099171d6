"""Images of a data set brought to the channels and the extents that a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archspec.callbacks import OnStep, ignore_step
from runtime.data.dataset import ArraySamples, Dataset, Samples
from runtime.data.measuring import MAX_MEASURED, measure_levels, spread
from runtime.data.source import take_channels
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.data import DataSection

IMAGENET: tuple[tuple[float, ...], tuple[float, ...]] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of the channels of ImageNet, as torchvision has them."""

GRAY_AND_COLOUR = {(1, 3), (3, 1)}
"""The numbers of channels that become each other: of the images, and those that a network takes."""

Moments = tuple[tuple[float, ...], tuple[float, ...]]


def adapt_images(data: Dataset, channels: int, size: Sequence[int], section: DataSection) -> Dataset:
    """Give a data set whose images have other channels or another size when they are prepared; gray becomes colour and
    the other way round, and is measured anew. Other channels stay, for whoever refuses them."""
    before = data.preprocess
    if before.slides or (before.channels, channels) not in GRAY_AND_COLOUR:
        return data if before.size == tuple(size) else replace(data, preprocess=_resize(before, size))
    train, test = take_channels(data.train, channels), take_channels(data.test, channels)
    validation = None if data.validation is None else take_channels(data.validation, channels)
    moments = (before.mean * channels, before.std * channels) if channels == 3 else None
    if moments is None or section.normalize == "imagenet":
        moments = choose_moments(train, channels, section)
    made = make_preprocess(channels, size, moments, section)
    return replace(data, train=train, test=test, validation=validation, preprocess=made)


def _resize(preprocess: Preprocess, size: Sequence[int]) -> Preprocess:
    return replace(preprocess, size=tuple(size), resize_to=None)


def make_preprocess(channels: int, size: Sequence[int], moments: Moments, section: DataSection) -> Preprocess:
    """Make the preprocessing that a recipe's section says, of this size, with these means and deviations."""
    mean, std = moments
    return Preprocess(channels, tuple(size), mean, std, resize=section.resize, interpolation=section.interpolation)


def choose_moments(train: Samples, channels: int, section: DataSection, on_step: OnStep = ignore_step) -> Moments:
    """Choose the mean and the standard deviation that normalize images: measured on the training part, ImageNet's, or
    none.

    All images in memory are measured, and up to MAX_MEASURED of those in files; those of gray images too where
    ImageNet's are wanted, which they get when they become colour.
    """
    if section.normalize == "none":
        return (0.0,) * channels, (1.0,) * channels
    if section.normalize == "imagenet" and channels == 3:
        return IMAGENET
    most = len(train) if isinstance(train, ArraySamples) else MAX_MEASURED
    return measure_levels(train, spread(len(train), most), on_step)
