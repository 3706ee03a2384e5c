"""Which part of a corpus a note belongs to: decided by a stable hash, so the same instrument is held out everywhere."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note

SPLITS = ("train", "valid", "test")

POLICIES: dict[str, str] = {
    "instrument": "80/10/10 by instrument",
    "random": "90/10 by note, as in the DarkGAN paper",
    "given": "as the source says",
    "style": "80/10/10 by recording, every style in each part as far as it can be",
}
"""What each policy does; whether something lies in two parts is looked up in a corpus (`describe`), not claimed."""


def fraction(key: str, seed: int = 0) -> float:
    """A number in [0, 1) that depends on `key` and `seed` alone: the same on every machine and in every Python."""
    digest = hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64


def split_of(key: str, seed: int = 0) -> str:
    """The split of all notes that share `key`: "train" (80 %), "valid" (10 %) or "test" (10 %) of the keys.

    It looks at nothing but the key. Whatever a corpus holds beside it, and wherever it is made, a held-out key stays
    held out; that is what lets a shipped instrument be evaluated on a user's own corpus.
    """
    place = fraction(key, seed)
    return "train" if place < 0.8 else "valid" if place < 0.9 else "test"


def assign(note: Note, policy: str, seed: int = 0) -> str:
    """The split of one note under a policy of `POLICIES`.

    Raises:
        UserError: there is no such policy, or it is "style" and whoever made the note does not split so.
        ValueError: the policy is "given" and the note says nothing, or something that is no split.
    """
    if policy == "instrument":
        return split_of(note.split_key or note.instrument, seed)
    if policy == "random":
        return "train" if fraction(note.id, seed) < 0.9 else "valid"
    if policy == "style" and note.split not in SPLITS:  # it is decided for all notes together: see `spread`
        raise UserError(
            "The split `style` is of `import folder`, `import sol` and `render --grid`; choose instrument or random."
        )
    if policy in ("given", "style"):
        if note.split not in SPLITS:
            raise ValueError(f"Note {note.id!r} comes without a split of its own.")
        return note.split
    raise UserError(f"There is no split policy {policy!r}; choose one of {', '.join(POLICIES)}.")


_HELD_OUT = 0.1  # share of valid, and of test
_TOO_MANY = 2.0 * _HELD_OUT  # of one style in one of them, where another choice is left


def spread(recordings: Mapping[str, Mapping[str, int]], seed: int = 0) -> dict[str, str]:
    """A split for each recording, such that each style has notes in every split as far as its recordings suffice.

    `split_of` looks at one key alone and so may leave a style of a dozen recordings without a single test note, about
    one time in four. Here the recordings are taken in the order of the same stable hash, and for each style, those of
    fewest recordings first, into test and then valid until a tenth of its notes lie there. All else is train. What is
    held out thus depends on the whole corpus: a recording can be held out in one corpus and trained on in another.

    Args:
        recordings: recording → style → number of its notes. A recording may serve several styles.
        seed: of the split.

    Returns:
        Recording → "train", "valid" or "test". A style has train notes always, test notes from two recordings of its
        own on, and valid notes from three.
    """
    order = sorted(recordings, key=lambda name: (fraction(name, seed), name))
    having: dict[str, list[str]] = defaultdict(list)
    total: Counter[str] = Counter()
    for name in order:
        for style, notes in recordings[name].items():
            having[style].append(name)
            total[style] += notes
    left = {style: len(names) for style, names in having.items()}  # recordings that are still in train
    chosen: dict[str, str] = {}
    for part in ("test", "valid"):
        held: Counter[str] = Counter()
        for style in sorted(having, key=lambda style: (len(having[style]), style)):
            while held[style] < _HELD_OUT * total[style]:
                free = (one for one in having[style] if one not in chosen and _can_go(recordings[one], left))
                found = _least((_excess(recordings[one], held, total), one) for one in free)
                if found is None or (held[style] and found[0]):
                    break  # less than a tenth, but some where that can be
                name = found[1]
                chosen[name] = part
                held.update(recordings[name])
                left.update({each: left[each] - 1 for each in recordings[name]})
    return {name: chosen.get(name, "train") for name in recordings}


ZONE = 4  # semitones


def by_zone(notes: Iterable[Note], seed: int = 0) -> dict[str, str]:
    """A split for each note, by id, of a set of few instruments: zones of neighbouring pitches are held out whole.

    Neighbouring keys of a sampled instrument may play one recording. What has no pitch is held out take by take.
    """
    zone = {one.id: one.id if one.pitch is None else f"{one.instrument} {one.pitch // ZONE}" for one in notes}
    chosen = spread({one: {"": count} for one, count in Counter(zone.values()).items()}, seed)
    return {note: chosen[one] for note, one in zone.items()}


def _can_go(styles: Mapping[str, int], left: Mapping[str, int]) -> bool:
    """Whether each style of a recording would still have another one in train."""
    return all(left[style] > 1 for style in styles)


def _least(names: Iterable[tuple[float, str]]) -> tuple[float, str] | None:
    """The first (excess, name) without excess, else the first of the least; None of none."""
    least: tuple[float, str] | None = None
    for excess, name in names:
        if not excess:
            return excess, name
        if least is None or excess < least[0]:
            least = excess, name
    return least


def _excess(styles: Mapping[str, int], held: Mapping[str, int], total: Mapping[str, int]) -> float:
    """How far the fullest style would lie above what may be held out of it."""
    return max(0.0, max((held[style] + notes) / total[style] - _TOO_MANY for style, notes in styles.items()))
