"""One live line about a run: notes seen, stage, notes a second, losses, time left and what comes next."""

import sys
import time
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from darktimbre.training.journal import Meter
from darktimbre.training.schedule import Phase, Schedule, StepState

REFRESH, PLAIN = 0.5, 15.0  # seconds between lines on a terminal, and elsewhere
SPAN = 20.0  # seconds over which the speed is averaged


class ProgressLine:
    """Shows where a run is; on a terminal in one line that changes, elsewhere a line every 15 s."""

    def __init__(
        self, schedule: Schedule, costs: dict[int, float], notes_seen: int = 0, *, shown: bool = True,
        until: float | None = None,
    ) -> None:  # fmt: skip
        """`until`: `time.monotonic()` at which the run ends, done or not."""
        self.schedule, self.costs, self.shown, self.until = schedule, costs, shown, until
        self.speed: float | None = None  # notes a second
        self._live: Any = None
        self._at, self._seen, self._drawn = time.monotonic(), notes_seen, 0.0
        self._phase = schedule.phase_at(notes_seen)

    def __enter__(self) -> Self:
        if self.shown and sys.stderr.isatty():
            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def step(self, state: StepState, meter: Meter) -> None:
        """Takes notice of a finished step; draws when it is time."""
        now, seen, phase = time.monotonic(), state.notes_seen + state.batch, self.schedule.phase_at(state.notes_seen)
        if self.speed:
            self.speed *= self.weight(self._phase) / self.weight(phase)
        elapsed, notes = max(now - self._at, 1e-6), seen - self._seen
        self._at, self._seen, self._phase = now, seen, phase
        keep = 0.0 if self.speed is None else 0.5 ** (elapsed / SPAN)
        self.speed = keep * (self.speed or 0.0) + (1 - keep) * notes / elapsed
        if self.shown and (now - self._drawn >= (REFRESH if self._live else PLAIN) or seen >= self.schedule.total):
            self._drawn, line = now, self.line(state, meter)
            if self._live is None:
                print(line, file=sys.stderr, flush=True)
            else:
                self._live.update(Text(line, overflow="ellipsis", no_wrap=True), refresh=True)

    def line(self, state: StepState, meter: Meter) -> str:
        """The line itself."""
        seen, schedule = state.notes_seen + state.batch, self.schedule
        stage = f"stage {state.stage + 1}/{len(schedule.recipe.schedule)}"
        parts = (
            f"{seen:,}/{schedule.total:,} notes",
            ("warm start" if state.phase == "warm" else stage)
            + (f" ({state.alpha:.0%} in)" if state.alpha < 1 else ""),
            f"{self.speed or 0:.1f} notes/s",
            " ".join(f"{name} {value:.3g}" for name, value in meter.means().items()),
            f"{duration(self.seconds_left(seen)) if self.speed else '?'} left",
            schedule.next_event(seen) if seen < schedule.total else "done",
        )
        return " · ".join(part for part in parts if part)

    def seconds_left(self, seen: int) -> float:
        """Time to the end at the present speed, other phases by their relative cost; at most until `until`."""
        assert self.speed is not None
        ahead = sum(max(0, part.stop - max(seen, part.first)) * self.weight(part) for part in self.schedule.phases)
        needed = ahead / self.weight(self._phase) / self.speed
        return needed if self.until is None else max(0.0, min(needed, self.until - time.monotonic()))

    def weight(self, part: Phase) -> float:
        """Cost of a note in a phase; a warm start needs about a third of a full step."""
        return self.costs.get(part.scale, 1.0) * (0.35 if part.kind == "warm" else 1.0)


def duration(seconds: float) -> str:
    """A length of time in words: "42 s", "3 min 20 s", "5 h 12 min", "12 d 4 h"."""
    whole = round(seconds)
    for large, small, size, part in (("d", "h", 86400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1)):
        if whole >= size:
            return f"{whole // size} {large} {whole % size // part} {small}"
    return f"{whole} s"
