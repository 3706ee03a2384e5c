"""Which part of a corpus a note belongs to: decided by a stable hash, so the same instrument is held out everywhere."""

import hashlib

from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note

SPLITS = ("train", "valid", "test")

POLICIES: dict[str, str] = {
    "instrument": "80/10/10 by instrument: no instrument is in two parts",
    "random": "90/10 by note, as in the DarkGAN paper: instruments are shared between train and valid",
    "given": "as the source says",
}


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
        UserError: there is no such policy.
        ValueError: the policy is "given" and the note says nothing, or something that is no split.
    """
    if policy == "instrument":
        return split_of(note.split_key or note.instrument, seed)
    if policy == "random":
        return "train" if fraction(note.id, seed) < 0.9 else "valid"
    if policy == "given":
        if note.split not in SPLITS:
            raise ValueError(f"Note {note.id!r} comes without a split of its own.")
        return note.split
    raise UserError(f"There is no split policy {policy!r}; choose one of {', '.join(POLICIES)}.")
