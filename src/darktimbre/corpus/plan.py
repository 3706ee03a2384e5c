"""Which notes a renderer plays: every instrument × pitch × velocity, or an even share of them."""

from collections.abc import Sequence
from math import gcd

from darktimbre.notes.errors import UserError

_GOLDEN = 0.6180339887498949


def _spread(count: int) -> int:
    """A step that visits all of `count` places before any twice, and early ones far apart (near the golden section)."""
    return next(
        (step for step in sorted(range(1, count), key=lambda s: abs(s - _GOLDEN * count)) if gcd(step, count) == 1), 1
    )


def plan(
    instruments: int, pitches: Sequence[int], velocities: Sequence[int], limit: int | None = None
) -> list[list[tuple[int, int]]]:
    """The (pitch, velocity) pairs each instrument plays, sorted.

    With a limit, every instrument plays the same number of notes (give or take one), pitches come equally often over
    all (give or take one while no instrument plays more notes than there are pitches), velocities nearly so, and within
    an instrument no pitch is repeated before all were played. The same arguments always give the same plan.

    Raises:
        UserError: nothing is requested, or the limit is not positive.
    """
    pitches, velocities = sorted(set(pitches)), sorted(set(velocities))
    whole = [(pitch, velocity) for pitch in pitches for velocity in velocities]
    if not instruments or not whole:
        raise UserError("There is nothing to render: give at least one instrument, pitch and velocity.")
    if limit is None or limit >= instruments * len(whole):
        return [list(whole) for _ in range(instruments)]
    if limit < 1:
        raise UserError(f"A limit of {limit} notes leaves nothing to render.")
    step = _spread(len(pitches))
    plans, done = [], 0
    for instrument in range(instruments):
        share = (instrument + 1) * limit // instruments - done
        chosen = []
        for turn in range(share):
            lap, place = divmod(turn, len(pitches))
            pitch = pitches[(done + turn) * step % len(pitches)]  # goes on where the instrument before stopped
            chosen.append((pitch, velocities[(place + lap + instrument) % len(velocities)]))
        plans.append(sorted(chosen))
        done += share
    return plans
