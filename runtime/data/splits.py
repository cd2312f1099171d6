"""Which samples are trained on, which choose, and which are held out: a pure function of their names and a seed.

Samples of one group (an image of which several people are samples) stay together. The order in which groups are dealt
out is that of SHA-256 of seed and name, so that it is the same on every machine, and a new file moves few others.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archspec.errors import InputError
from archspec.wording import tell_count
from runtime.recipes.data import DataSection

Indices = npt.NDArray[np.int64]

TRAIN, VALIDATION, TEST = "train", "validation", "test"

PART_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
"""What folders and lists are called that say of which part their images are."""


@dataclass(frozen=True, eq=False)
class DataParts:
    """The indices of the samples of each part, in rising order. `said` tells how they came about, in words."""

    train: Indices
    validation: Indices
    test: Indices
    said: str

    def to_dict(self) -> dict[str, int]:
        """Count the samples of each part."""
        return {TRAIN: len(self.train), VALIDATION: len(self.validation), TEST: len(self.test)}


def split_samples(
    groups: Sequence[str], strata: Sequence[int] | None, given: Sequence[str] | None, section: DataSection, name: str
) -> DataParts:
    """Split samples by what the data say of each (`given`: TRAIN, VALIDATION, TEST or "" where they do not), and where
    they do not, by a fold or by shares.

    `groups` names for each sample the group with which it stays, `strata` its class, of which each part has its share.
    A part that the data call validation is held out where they have no test part. With a fold, a part that the data
    hold out stays so, and the fold is the validation part.

    Raises InputError, which calls the data `name`, where a part would be empty.
    """
    said = np.array(given if given is not None else [""] * len(groups), object)
    held = TEST if (said == TEST).any() else VALIDATION
    fixed = {part: np.flatnonzero(said == part) for part in (TRAIN, VALIDATION, TEST)}
    rest = np.flatnonzero((said == "") | (said == TRAIN))
    has_test, chooses = bool(len(fixed[held])), held == TEST and bool(len(fixed[VALIDATION]))
    test, validation = fixed[held], fixed[VALIDATION][:0] if held == VALIDATION else fixed[VALIDATION]
    if not len(rest):
        raise InputError(f"{name} has no training images: all of them are of its parts for validation or test")
    if section.fold:
        if chooses:
            raise InputError(f"{name} says itself which images choose; --fold {section.fold} would choose others")
        number, count = parse_fold(section.fold)
        chosen = _deal_fold(groups, strata, rest, (number, count, section.seed), name)
        words = f"fold {number} of {count}"
        parts = (validation, chosen) if not has_test else (chosen, test)
        return _gather(rest, *parts, f"{words}{', and its own test part' if has_test else ''}", name)
    shares = {} if has_test else {TEST: section.test}
    shares |= {} if chooses else {VALIDATION: section.validation}
    if not has_test and not section.test:
        raise InputError(f"nothing of {name} is held out: data.test is 0, and it has no test part of its own")
    drawn = _draw_shares(groups, strata, rest, [(part, share) for part, share in shares.items() if share], section.seed)
    test, validation = drawn.get(TEST, test), drawn.get(VALIDATION, validation)
    return _gather(rest, validation, test, _tell_shares(has_test, chooses, section), name)


def parse_fold(text: str) -> tuple[int, int]:
    """Read `2/5`: the second of five. Raises InputError where there is no such fold."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) and int(count) >= 2):
        raise InputError(
            f"a fold is K/N, as 2/5 for the second of five, with K up to N and N at least 2; found '{text}'"
        )
    return int(number), int(count)


def order_names(names: Iterable[str], seed: int) -> list[str]:
    """Order names by SHA-256 of seed and name, in Unicode's composed form (NFC), as file systems differ in that."""
    return sorted(names, key=lambda name: _digest(name, seed))


def _digest(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{unicodedata.normalize('NFC', name)}".encode("utf-8", "surrogatepass")).digest()


def _gather(rest: Indices, validation: Indices, test: Indices, said: str, name: str) -> DataParts:
    taken = np.concatenate([validation, test])
    train = np.setdiff1d(rest, taken)
    for part, indices in ((TRAIN, train), (TEST, test)):
        if not len(indices):
            raise InputError(f"the {part} part of {name} has no images: {said}")
    return DataParts(train, np.sort(validation), np.sort(test), said)


def _tell_shares(has_test: bool, chooses: bool, section: DataSection) -> str:
    held = "its own test part" if has_test else f"{section.test:.4g} held out by seed {section.seed}"
    if chooses:
        return f"{held}, its own validation part"
    return f"{held}, {section.validation:.4g} for validation by seed {section.seed}" if section.validation else held


def _deal_fold(
    groups: Sequence[str], strata: Sequence[int] | None, rest: Indices, fold: tuple[int, int, int], name: str
) -> Indices:
    """The samples of one fold: of each class in turn, groups are dealt to the folds one by one."""
    number, count, seed = fold
    members = _collect(groups, rest)
    if count > len(members):
        raise InputError(f"{name} has {tell_count(len(members), 'image')} to split, fewer than {count} folds")
    ordered = [group for names in _order_strata(members, strata, seed) for group in names]
    return _flatten(members, ordered[number - 1 :: count])


def _draw_shares(
    groups: Sequence[str],
    strata: Sequence[int] | None,
    rest: Indices,
    shares: Sequence[tuple[str, float]],
    seed: int,
) -> dict[str, Indices]:
    """The samples of each share: at least one group of all, and of each class the share, rounded so that it adds up."""
    members = _collect(groups, rest)
    ordered = _order_strata(members, strata, seed)
    taken = [0] * len(ordered)
    drawn = {}
    for part, share in shares:
        wanted = min(max(1, round(share * len(members))), len(members))
        room = [len(names) - start for names, start in zip(ordered, taken, strict=True)]
        counts = _apportion([len(names) for names in ordered], room, wanted)
        chosen = [
            group
            for names, start, count in zip(ordered, taken, counts, strict=True)
            for group in names[start : start + count]
        ]
        taken = [start + count for start, count in zip(taken, counts, strict=True)]
        drawn[part] = _flatten(members, chosen)
    return drawn


def _collect(groups: Sequence[str], rest: Indices) -> dict[str, list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for index in rest.tolist():
        members[groups[index]].append(index)
    return members


def _order_strata(members: Mapping[str, Sequence[int]], strata: Sequence[int] | None, seed: int) -> list[list[str]]:
    """The groups of each class, in the order in which they are dealt; a group is of its first sample's class."""
    by_class: dict[int, list[str]] = defaultdict(list)
    for group, indices in members.items():
        by_class[0 if strata is None else int(strata[indices[0]])].append(group)
    return [order_names(by_class[number], seed) for number in sorted(by_class)]


def _apportion(sizes: Sequence[int], room: Sequence[int], wanted: int) -> list[int]:
    """Divide `wanted` by the sizes: the whole numbers below the exact ones, and one more by the largest remainders; no
    class gives its last group while another has more."""
    total = sum(sizes)
    counts = [min(wanted * size // total, free) for size, free in zip(sizes, room, strict=True)]
    remainders = sorted(range(len(sizes)), key=lambda number: (-(wanted * sizes[number] % total), number))
    more: set[int] = set()
    for least, again in ((1, False), (0, False), (0, True)):
        for number in remainders:
            first = number not in more and wanted * sizes[number] % total > 0
            free = room[number] - counts[number] > least and (again or first)
            if sum(counts) < wanted and free:
                counts[number] += 1
                more.add(number)
    return counts


def _flatten(members: Mapping[str, Sequence[int]], chosen: Iterable[str]) -> Indices:
    return np.array(sorted(index for group in chosen for index in members[group]), np.int64)
