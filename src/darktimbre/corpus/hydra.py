"""Which recordings a drum kit's keys play, read from a SoundFont's tables: kits share most of theirs.

A bank of thirty kits is not thirty kits' worth of sounds. Whoever holds out a sound must hold out every key of every
kit that plays the same recording, and for that one has to know which do.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from darktimbre.corpus.general_midi import DRUM_BANK
from darktimbre.corpus.presets import read_tables
from darktimbre.notes.errors import UserError

# Records of the "hydra" (SoundFont 2.04 specification, §7), little-endian.
_PRESET, _BAG, _GENERATOR = struct.Struct("<20sHHHIII"), struct.Struct("<HH"), struct.Struct("<HH")
_INSTRUMENT, _SAMPLE = struct.Struct("<20sH"), struct.Struct("<20s26x")
_INSTRUMENT_OF, _KEYS, _SAMPLE_OF = 41, 43, 53  # generators `instrument`, `keyRange`, `sampleID` (§8.1.2)

Zone = dict[int, int]


def recordings(files: Sequence[Path]) -> dict[tuple[str, int, int], str]:
    """(SoundFont, program, key) of every drum kit → name of the recording it plays, equal for keys that share one.

    Keys that play several recordings (layers, left and right) tie these together: all keys that hang together so have
    one name, that of the first recording in the alphabet. Kits that are not rendered count too, so that the name does
    not depend on what is asked for. Recordings of the same name in two SoundFonts are taken for one: banks share
    ancestors.

    Raises:
        UserError: a file is no SoundFont, or its tables contradict each other.
    """
    played: dict[tuple[str, int, int], set[str]] = {}
    for path in files:
        try:
            played |= {(path.stem, *place): names for place, names in _played(read_tables(path)).items()}
        except (IndexError, struct.error):
            raise UserError(f"{path} is not a SoundFont that can be read: its tables contradict each other.") from None
    leader: dict[str, str] = {}

    def lead(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for names in played.values():
        first, *others = sorted(names)
        for other in others:
            one, two = sorted((lead(first), lead(other)))
            leader[two] = one
    return {place: lead(min(names)) for place, names in played.items()}


def _played(tables: dict[bytes, bytes]) -> dict[tuple[int, int], set[str]]:
    """(program, key) of every drum kit → names of the samples that may sound there, whatever the velocity."""
    presets, instruments = list(_PRESET.iter_unpack(tables[b"phdr"])), list(_INSTRUMENT.iter_unpack(tables[b"inst"]))
    names = [_name(name) for (name,) in _SAMPLE.iter_unpack(tables[b"shdr"])]
    found: dict[tuple[int, int], set[str]] = defaultdict(set)
    for preset, following in pairwise(presets):
        _, program, bank, bag, *_ = preset
        if bank != DRUM_BANK:
            continue
        for outer in _zones(tables[b"pbag"], tables[b"pgen"], bag, following[3], _INSTRUMENT_OF):
            chosen = outer[_INSTRUMENT_OF]
            bags = instruments[chosen][1], instruments[chosen + 1][1]
            for inner in _zones(tables[b"ibag"], tables[b"igen"], *bags, _SAMPLE_OF):
                (low, high), (lowest, highest) = _span(outer), _span(inner)
                for key in range(max(low, lowest), min(high, highest) + 1):
                    found[program, key].add(names[inner[_SAMPLE_OF]])
    return dict(found)


def _zones(bags: bytes, generators: bytes, first: int, stop: int, ends_in: int) -> Iterator[Zone]:
    """Generators of each zone; a first zone without its last generator holds for all others (§7.3, §7.7)."""
    shared: Zone = {}
    for place in range(first, stop):
        begin, end = (_BAG.unpack_from(bags, _BAG.size * (place + step))[0] for step in (0, 1))
        zone: Zone = dict(_GENERATOR.unpack_from(generators, _GENERATOR.size * row) for row in range(begin, end))
        if ends_in in zone:
            yield {**shared, **zone}
        elif place == first:
            shared = zone


def _span(zone: Zone) -> tuple[int, int]:
    """Lowest and highest key of a zone, which its two bytes are."""
    span = zone.get(_KEYS, 127 << 8)
    return span & 255, span >> 8


def _name(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1").strip()
