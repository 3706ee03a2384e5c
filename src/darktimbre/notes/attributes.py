"""The controls of an instrument: ordered names and how each is encoded; travels inside the bundle."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from darktimbre.notes.errors import UserError
from darktimbre.notes.text import folded, suggestion

CLASSES = "classes"
"""In place of a teacher's name: the labels are the corpus's own classes and subclasses, by its folders."""

STYLES = "styles"
"""In place of a teacher's name: the labels are the notes' own style tags, such as playing techniques."""

WITHOUT_TEACHER = (CLASSES, STYLES)
"""What stands in place of a teacher's name where the labels are no teacher's."""

MOST_NAMES, LONGEST_NAME = 4096, 200
HOTTEST = 1e6  # the greatest temperature

BETWEEN = "/"
"""What stands between class and subclass, as in "drums/kick"."""


def is_leaf(name: str, names: Iterable[str]) -> bool:
    """Whether none of the names lies below it in a class tree."""
    return not any(other.startswith(name + BETWEEN) for other in names)


class LabelSource(Protocol):
    """Whose labels they are: a tagger's, or those of the tags it made."""

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...


class Teacher(NamedTuple):
    """A tagger by its name and the SHA-256 of its weights."""

    name: str
    digest: str


def teacher_mismatch(expects: str, expected: LabelSource | None, gives: str, given: LabelSource | None) -> str | None:
    """Why two sets of labels cannot be compared: they are by different weights. None where they can be.

    The sentence comes without its full stop; callers raise it, or warn with it, and add the remedy.

    Args:
        expects: how the sentence starts, such as "The instrument was trained on labels by".
        expected: the teacher that is needed, such as `Attributes.labelled_by`; None where any will do.
        gives: how it goes on, such as "the teacher given is" or "the tags of CORPUS are by".
        given: the teacher, or tags, at hand; None where there is none.
    """
    if expected is None or (given is not None and given.digest == expected.digest):
        return None
    needed, found = ("none" if one is None else f"{one.name} (weights {one.digest[:12]}…)" for one in (expected, given))
    return f"{expects} {needed}, {gives} {found}: their labels cannot be compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a generator is conditioned on: one-hot pitch classes, then soft labels of a teacher (DarkGAN §4.3.2)."""

    # MIDI number of each pitch class, in the order of the one-hot vector; empty for unpitched sounds
    pitches: tuple[int, ...] = ()
    names: tuple[str, ...] = ()  # AudioSet display names of the soft labels, in their order in the condition
    teacher: str = ""  # name of the tagger the labels come from
    teacher_digest: str = ""  # SHA-256 of that tagger's weights
    temperature: float = 1.0  # T in q = σ(logit / T) (DarkGAN eq. 1) at training

    @property
    def size(self) -> int:
        """Length of the condition vector."""
        return len(self.pitches) + len(self.names)

    @property
    def labelled_by(self) -> Teacher | None:
        """The teacher of the soft labels; None where there are none, or the corpus's own classes or style tags take
        their place."""
        return (
            Teacher(self.teacher, self.teacher_digest) if self.names and self.teacher not in WITHOUT_TEACHER else None
        )

    def pitch_class(self, midi: int) -> int:
        """Index of a MIDI note among the pitch classes. Raises UserError: the instrument has no such pitch class."""
        if midi not in self.pitches:
            span = f"{min(self.pitches)} to {max(self.pitches)}" if self.pitches else "none at all"
            raise UserError(f"This instrument has no pitch class for MIDI note {midi}; it has {span}.")
        return self.pitches.index(midi)

    def nearest_pitch(self, midi: float) -> int:
        """The trained MIDI note closest to `midi` (the lower of two equally near)."""
        return min(self.pitches, key=lambda pitch: (abs(pitch - midi), pitch))

    def resolve(self, name: str) -> str:
        """The attribute meant by `name`, in any letter case, its letters composed or not.

        Raises:
            UserError: there is none; the sentence names the nearest ones.
        """
        by_key = {folded(known): known for known in self.names}
        if (key := folded(name)) in by_key:
            return by_key[key]
        raise UserError(f"This instrument has no attribute {name!r}.{suggestion(name, self.names)}")

    def resolved(self, levels: Mapping[str, float]) -> dict[str, float]:
        """The instrument's own names → values; a subclass given without its class implies it.

        Raises:
            UserError: there is no such attribute; the nearest are named.
        """
        named = {self.resolve(name): value for name, value in levels.items()}
        if self.teacher != CLASSES:
            return named
        classes: dict[str, float] = {}
        for name, value in named.items():
            above = name.partition(BETWEEN)[0]
            if above != name and above in self.names:  # of two subclasses, the higher value counts
                classes[above] = max(value, classes.get(above, value))
        return {**classes, **named}

    def condition(
        self, pitch_classes: Sequence[int] | NDArray[np.integer], soft: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Condition vectors [one-hot pitch | soft labels] (batch, size) float32, of indices into `pitches` (batch,),
        not used when there are none, and values of `names` (batch, label), usually in [0, 1]."""
        soft = np.asarray(soft, dtype=np.float32)
        if not self.pitches:
            return soft
        one_hot = np.eye(len(self.pitches), dtype=np.float32)[np.asarray(pitch_classes)]
        return np.concatenate([one_hot, soft], axis=1)

    def to_json(self) -> dict[str, Any]:
        """Plain types, for `config.json`."""
        return {
            "pitches": list(self.pitches),
            "names": list(self.names),
            "teacher": self.teacher,
            "teacher_digest": self.teacher_digest,
            "temperature": self.temperature,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Attributes":
        """Inverse of `to_json`.

        Raises:
            ValueError: a value is not of its type, or cannot be; the message is a clause.
        """
        unknown = data.keys() - {field.name for field in fields(cls)}
        pitches: Any = data.get("pitches")
        names: Any = data.get("names")
        temperature = data.get("temperature", 1.0)
        if unknown:
            raise ValueError(f"{min(unknown)} is not known")
        if not (_is_list(pitches, int) and len({*pitches}) == len(pitches) and all(0 <= one <= 127 for one in pitches)):
            raise ValueError("pitches are different MIDI numbers from 0 to 127")
        if not (_is_list(names, str) and len({*names}) == len(names) <= MOST_NAMES and all(map(_is_name, names))):
            raise ValueError(f"names are at most {MOST_NAMES:,} different words of 1 to {LONGEST_NAME} characters")
        if wrong := [key for key in ("teacher", "teacher_digest") if not isinstance(data.get(key, ""), str)]:
            raise ValueError(f"{wrong[0]} is no text")
        if not _is_number(temperature) or not 0 < temperature <= HOTTEST:
            raise ValueError(f"temperature is a number above 0, up to {HOTTEST:g}")
        return cls(**{**data, "pitches": tuple(pitches), "names": tuple(names)})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: Any, of: type) -> bool:
    return isinstance(value, list | tuple) and all(type(one) is of for one in value)


def _is_name(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and bool(name.strip())
