"""Fuzzes the readers of files that strangers write: `python -m tests.fuzz [--minutes 3] [--out FOLDER] [READER …]`.

Each is given valid files that were changed at random, at its bytes and, where they are JSON, at its values. What
ends in anything but a sentence is kept in the folder, with the number that makes it again.
"""

import argparse
import copy
import json
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.fuzz.readers import READERS, Reader

from darktimbre.notes.errors import UserError

SECONDS = 30  # of the processor, that one file may take
MEMORY = 2 << 30  # bytes of address space beyond what the readers took at their start

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 0.5, -0.5, 127, 128, 255, 256, 65_536, 2**31, 2**53, 2**63, 10**30, 10**400,
    -(2**40), 1e-30, 1e30, 1e308, float("inf"), float("nan"), "", " ", "x", "0", "1e9", "nan", "../../etc/passwd", "\0",
    "\ud800", "é" * 300, "x" * 70_000, [], {}, [[]], [None], {"": None}, [0] * 2000, [[0, 0]] * 300, ["a"] * 5000,
)  # fmt: skip


def changed(content: bytes, draw: random.Random) -> bytes:
    """A file's content with some random changes: JSON mostly at its values, all else at its bytes."""
    if content[:1] in (b"{", b"[") and draw.random() < 0.8:
        data = json.loads(content)
        with suppress(RecursionError):  # nested too deeply for Python itself to copy or write
            for _ in range(draw.choice((1, 1, 1, 2, 4))):
                data = _other_value(data, draw)
            return json.dumps(data).encode()
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        content = _other_bytes(content, draw)
    return content


def _other_value(data: Any, draw: random.Random) -> Any:
    """JSON with one of its values changed, moved, doubled, deleted or nested."""
    places: list[tuple[Any, Any]] = []
    left = [data]
    while left:
        one = left.pop()
        for key in one if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ():
            places.append((one, key))
            left.append(one[key])
    if not places:
        return copy.deepcopy(draw.choice(_VALUES))
    holder, key = draw.choice(places)
    what = draw.randrange(7)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif what == 2:
        other, place = draw.choice(places)
        holder[key] = (
            copy.deepcopy(other[place]) if place in (other if isinstance(other, dict) else range(len(other))) else 0
        )
    elif what == 3 and isinstance(holder[key], int | float):
        half = 0.5 if abs(holder[key]) < 1e300 else -1  # a whole number may be too large for a float
        holder[key] = holder[key] * draw.choice((-1, half, 2, 10, 1000, 10**6, 10**12))
    elif what == 4:
        for _ in range(draw.choice((1, 40, 900))):
            holder[key] = draw.choice(([holder[key]], {"a": holder[key]}))
    elif what == 5 and isinstance(holder, dict):
        holder[draw.choice(("new", "", "é", key.upper() if isinstance(key, str) else "k"))] = draw.choice(_VALUES)
    else:
        holder[key] = copy.deepcopy(draw.choice(_VALUES))
    return data


def _other_bytes(content: bytes, draw: random.Random) -> bytes:
    """Bytes with some of them changed, cut, doubled, moved or put in."""
    first = draw.randrange(len(content) + 1)
    last = min(len(content), first + draw.choice((1, 1, 2, 4, 8, 64)))
    what = draw.randrange(6)
    if what == 0:
        return content[:first]
    if what == 1:
        return content[:first] + content[last:]
    if what == 2:
        return content[:last] + content[first:]
    if what == 3:
        return content[:first] + draw.randbytes(draw.choice((1, 2, 4, 8))) + content[last:]
    if what == 4:
        return (
            content[:first]
            + draw.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80"))
            + content[last:]
        )
    return content[:first] + bytes(byte ^ (1 << draw.randrange(8)) for byte in content[first:last]) + content[last:]


def fault(reader: Reader, content: bytes) -> str | None:
    """Where and how reading a file fails; None where it is read, or refused with a sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(content)
    except UserError as error:
        return None if len(str(error)) < 2000 and "Traceback" not in str(error) else f"a sentence of {len(str(error))}"
    except Exception as error:
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if "/darktimbre/" in frame.filename]
        place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "tests"
        return f"{type(error).__name__} at {place}: {str(error)[:120]!r}"
    return None


def fuzz(
    name: str, work: Path, seconds: float, *, most: int = sys.maxsize, seed: int = 0
) -> tuple[Counter[str], dict[str, bytes]]:
    """Counts of what became of changed files, and of each kind of fault the first file."""
    counts: Counter[str] = Counter()
    faults: dict[str, bytes] = {}
    with READERS[name](work) as reader:
        for content in reader.seeds:
            reader.read(content)
        end = time.monotonic() + seconds
        while time.monotonic() < end and counts["files"] < most:
            draw = random.Random(f"{name} {seed} {counts['files']}")
            content = changed(draw.choice(reader.seeds), draw)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            found = fault(reader, content)
            signal.setitimer(signal.ITIMER_PROF, 0)
            counts["files"] += 1
            if found is not None:
                counts["faults"] += 1
                faults.setdefault(found.split(": ")[0], content)
                if counts[found.split(": ")[0]] == 0:
                    print(f"  {name} {seed} {counts['files'] - 1}: {found}", flush=True)
                counts[found.split(": ")[0]] += 1
    return counts, faults


class TooSlow(Exception):
    """A file took longer than it may."""


def bounded() -> None:
    """Bounds this process's memory, and what a file may take of time."""

    def late(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGPROF, late)
    taken = (
        int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if sys.platform == "linux" else 0
    )
    if taken:
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main() -> None:
    """Fuzzes what the command line names; ends with status 1 where there was a fault."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("readers", nargs="*", metavar="READER", help=f"{', '.join(READERS)}; all by default")
    arguments.add_argument("--minutes", type=float, default=3.0, help="for each reader")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--out", type=Path, default=None, help="folder for the files that failed")
    asked = arguments.parse_args()
    bounded()
    total = 0
    for name in asked.readers or READERS:
        with tempfile.TemporaryDirectory() as work:
            counts, faults = fuzz(name, Path(work), 60 * asked.minutes, seed=asked.seed)
        found = f"{counts['faults']} faults of {len(faults)} kinds"
        print(f"{name}: {counts['files']:,} files in {asked.minutes:g} min, {found}", flush=True)
        total += counts["faults"]
        for number, content in enumerate(faults.values()):
            if asked.out is not None:
                asked.out.mkdir(parents=True, exist_ok=True)
                (asked.out / f"{name}-{asked.seed}-{number}").write_bytes(content)
    sys.exit(total > 0)


if __name__ == "__main__":
    main()
