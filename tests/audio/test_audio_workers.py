"""Workers end with their parent: nothing is left behind by a process that was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

POOL = """
import os, time
from darktimbre.audio.workers import pool
if __name__ == "__main__":
    workers = pool(2)
    busy = [workers.submit(time.sleep, 60) for _ in range(4)]
    while len(workers._processes) < 2 or not all(process.pid for process in workers._processes.values()):
        time.sleep(0.05)
    time.sleep(1)
    print(*workers._processes, flush=True)
    time.sleep(60)
"""
GUARDED = """
import os, time
from tests.audio.test_audio_workers import children
from darktimbre.audio import guarded
if __name__ == "__main__":
    lanes = guarded.guarded_map(time.sleep, [0, 60], workers=1)
    next(lanes)
    print(*children(os.getpid()), flush=True)
    time.sleep(60)
"""


def children(parent: int) -> list[int]:
    """The processes that a process started."""
    return [
        int(pid) for task in Path(f"/proc/{parent}/task").iterdir() for pid in (task / "children").read_text().split()
    ]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("program", "how"), [(POOL, "SIGKILL"), (POOL, "SIGTERM"), (POOL, "SIGHUP"), (GUARDED, "SIGKILL")]
)
def test_workers_end_with_a_parent_that_is_killed(program: str, how: str, tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(program)
    left = set(os.listdir("/dev/shm"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(tmp_path / "parent.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert workers
        assert all(map(_runs, workers))
        parent.send_signal(getattr(signal, how))
        parent.wait()
        end = time.monotonic() + 15
        while any(map(_runs, workers)) and time.monotonic() < end:
            time.sleep(0.1)
        assert not any(map(_runs, workers))
    while set(os.listdir("/dev/shm")) - left and time.monotonic() < end:
        time.sleep(0.1)
    assert not {name for name in set(os.listdir("/dev/shm")) - left if name.startswith("sem.")}
