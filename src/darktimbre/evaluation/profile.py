"""How many notes each part of an evaluation is given: the paper's counts, or few enough for a laptop."""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

from darktimbre.notes.errors import UserError


@dataclass(frozen=True)
class Profile:
    """Sample counts; what they are by default is DarkGAN's §4.4, where it says."""

    notes: int = 10_000  # sounds of each instrument for distances and test 1, of the train split and of held-out notes
    reference: int = (
        10_000  # real notes that sounds are compared with, at most; as many again for the row of real notes
    )
    shift_notes: int = 1_000  # an attribute and increment δ_l in the out-of-distribution correlation (test 2)
    shift_steps: int = 50  # increments l = 0 … 50 there: δ_l = 10^(−3 + 3.6 l / shift_steps)
    shift_attributes: int = 1_000  # at most so many of the attributes with positive correlation (the paper: all)
    increment_notes: int = 100  # in the increment consistency (test 3)
    increment_attributes: int = 50
    increment_steps: int = 25  # increments k = 0 … 25 there: δ_k = 5 k / increment_steps
    latents: int = 16  # crossed with conditions and pitches to see what moves the sound
    conditions: int = 16
    pitches: int = 8
    subsets: int = 100  # of the kernel inception distance
    subset_size: int = 1_000
    neighbours: int = 5  # k of precision, recall, density and coverage
    resamples: int = 400  # of every bootstrap
    repeats: int = 30  # notes timed
    sounds: int = 8  # example sounds of each row

    def reduced(self) -> tuple[str, ...]:
        """A sentence for each count that is less than the paper's."""
        whole, mine = asdict(PAPER), asdict(self)
        return tuple(
            f"{name.replace('_', ' ')}: {mine[name]:,} instead of {whole[name]:,}"
            if name != "shift_attributes"
            else f"shift attributes: at most {mine[name]} instead of all that correlate positively"
            for name in whole
            if mine[name] < whole[name]
        )

    def with_counts(self, counts: Mapping[str, int]) -> "Profile":
        """The same with some counts changed.

        Raises:
            UserError: there is no such count, or it is less than 1 (2 where a deviation is taken).
        """
        names = [one.name for one in fields(self)]
        for name, value in counts.items():
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                hint = f"; did you mean {near[0]}?" if near else f": there are {', '.join(names)}."
                raise UserError(f"There is no count {name!r}{hint}")
            fewest = 2 if name in DEVIATIONS else 1
            if value < fewest:
                raise UserError(f"{name} must be at least {fewest}, not {value}.")
        return replace(self, **counts)


DEVIATIONS = ("notes", "reference", "shift_notes", "increment_notes", "latents", "subset_size")
"""Counts that a deviation is taken over."""

PAPER = Profile()
QUICK = Profile(
    notes=1_200, reference=1_200, shift_notes=100, shift_steps=6, shift_attributes=10, increment_notes=16,
    increment_attributes=12, increment_steps=10, latents=8, conditions=8, pitches=4, subsets=20, subset_size=500,
    resamples=200, repeats=10, sounds=4,
)  # fmt: skip
"""Some minutes an instrument on two processor cores; 1,200 is above the 1,025 notes that a covariance of YAMNet's 1,024
dimensions needs."""
