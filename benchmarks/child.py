"""A variant in a process of its own: allocator and peak memory belong to a process. Parent and child talk in lines."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
Answer = dict[str, float]


class Child:
    """The parent's end: `Child("benchmarks.training", "plain", "full")`."""

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def ready(self) -> None:
        """Waits until it has built what it measures."""
        self._answer()

    def go(self) -> Answer:
        """Lets it measure once."""
        return self._tell("go")

    def stop(self) -> float:
        """Lets it end; the peak of its resident memory in GB."""
        return self._tell("stop")["peak"]

    def close(self) -> None:
        """Ends it in any case."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.kill()
        self.process.wait()

    def _tell(self, word: str) -> Answer:
        into: IO[str] = self.process.stdin  # type: ignore[assignment]
        into.write(f"{word}\n")
        into.flush()
        return self._answer()

    def _answer(self) -> Answer:
        out: IO[str] = self.process.stdout  # type: ignore[assignment]
        line = out.readline()
        if not line:
            raise SystemExit(f"{self.process.args!r} ended with status {self.process.wait()}.")
        answer: Answer = json.loads(line)
        return answer


def serve(measure: Callable[[], Answer]) -> None:
    """The child's end: measures as often as the parent says."""
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        if line.strip() == "stop":
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(json.dumps({"peak": peak / (1 << 30 if sys.platform == "darwin" else 1 << 20)}), flush=True)
            return
        print(json.dumps(measure()), flush=True)
