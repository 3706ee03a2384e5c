"""A bank whose settings loop on some keys → one whose settings each loop on every key, or on none.

samples → (sustain → sfz · decentsampler) → sampler. On a keyboard of which some keys ring on and others end by
themselves nobody can play.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import groupby, pairwise

from darktimbre.export.plan import Zone
from darktimbre.export.samples import Bank, Id

REACH = 2  # semitones, most that a sample which loops is re-pitched to stand in for one that does not


def even(bank: Bank) -> Bank:
    """The bank where each setting loops on all of its keys or on none.

    A setting loops if, in each of its velocity layers, every sample that does not loop has one within `REACH`
    semitones that does; that one then serves its keys. In all other settings no sample loops.
    """
    looping = set(bank.loops)
    while uneven := {name for row in _settings(bank) if not _holds(row, looping) for _, name in row} & looping:
        looping -= uneven  # a sound that two settings share may take the loop from the other one, too
    placed: list[tuple[Zone, Id]] = []
    for row in _settings(bank):
        if not looping.isdisjoint(name for _, name in row):
            row = [zone for layer in _layers(row) for zone in _respanned(layer, looping)]
        placed += row
    ids = tuple(name for _, name in placed)
    return replace(
        bank,
        zones=tuple(zone for zone, _ in placed),
        ids=ids,
        waves={name: wave for name, wave in bank.waves.items() if name in set(ids)},
        loops={name: loop for name, loop in bank.loops.items() if name in looping},
    )


def _settings(bank: Bank) -> Iterator[list[tuple[Zone, Id]]]:
    """The zones of each setting with the ids of their sounds."""
    for _, row in groupby(zip(bank.zones, bank.ids, strict=True), key=lambda one: one[0].setting):
        yield list(row)


def _layers(row: list[tuple[Zone, Id]]) -> Iterator[list[tuple[Zone, Id]]]:
    for _, layer in groupby(row, key=lambda one: one[0].layer):
        yield list(layer)


def _holds(row: list[tuple[Zone, Id]], looping: Collection[Id]) -> bool:
    """Whether every sample of a setting loops, or has one that does within reach in its own layer."""
    for layer in _layers(row):
        roots = [zone.root for zone, name in layer if name in looping]
        if not all(any(abs(zone.root - root) <= REACH for root in roots) for zone, _ in layer):
            return False
    return True


def _respanned(layer: list[tuple[Zone, Id]], looping: Collection[Id]) -> list[tuple[Zone, Id]]:
    """The zones that loop, from low to high, spread over the keys of those that do not."""
    kept = [one for one in layer if one[1] in looping]
    tops = [(here.root + after.root) // 2 for (here, _), (after, _) in pairwise(kept)] + [layer[-1][0].high]
    bottoms = [layer[0][0].low, *(top + 1 for top in tops[:-1])]
    return [
        (replace(zone, low=low, high=high), name) for (zone, name), low, high in zip(kept, bottoms, tops, strict=True)
    ]
