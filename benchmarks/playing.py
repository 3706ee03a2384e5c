"""From a slider to sound: how long one waits for `darktimbre play`, through its live connection, on two threads.

Server and client are two processes of one machine. A move sets one attribute to a value it never had; timed is what
lies between sending the patch and the arrival of notes, resampled to 48 kHz, in the client's process. The page adds
what the browser takes to put them into buffers.
"""

import json
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.child import ROOT
from benchmarks.rendering import bundle_of
from benchmarks.report import Row

THREADS = 2
RATE = 48_000  # of a browser's audio
DRAG, EVERY = 30, 0.016  # moves of one drag, s between them: a slider moves once a frame
PATIENCE = 300.0  # s for a server to start; exporting a network for onnxruntime takes its time
HEADER = struct.Struct("<IfII")  # generation, source pitch, rate, samples

Takes = dict[str, list[float]]
WAITS = {
    "first": "new state, first note",
    "whole": "new state, all {keys} notes",
    "first_again": "state rendered before, first note",
    "whole_again": "state rendered before, all {keys} notes",
    "first_dragged": f"end of a drag ({DRAG} moves in {DRAG * EVERY:.2g} s), first note",
}


def run(quick: bool) -> list[Row]:
    """The starter and the paper's network, by the runtime that `auto` chooses, beside torch where that is another."""
    from darktimbre.bundle.where import has_starter

    moves = 3 if quick else 15
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for recipe in ("darkgan-small", "darkgan"):
            starter = recipe == "darkgan-small" and has_starter()
            bundle = "starter" if starter else str(bundle_of(recipe).save_pretrained(folder / recipe))
            with ExitStack() as open_servers:
                clients = [
                    Client(*open_servers.enter_context(server(bundle, way, folder))) for way in ("auto", "torch")
                ]
                for client in clients:
                    open_servers.callback(client.close)
                if clients[0].runtime == "torch":
                    clients.pop()
                for client in clients:
                    client.move()  # pays for what is set up once
                takes: list[Takes] = [{wait: [] for wait in WAITS} for _ in clients]
                for _ in range(moves):
                    for client, taken in zip(clients, takes, strict=True):
                        for wait, seconds in client.round().items():
                            taken[wait].append(seconds)
            note = f"{clients[0].runtime}, {THREADS} threads" + ("; plain: torch" if len(clients) > 1 else "")
            note += f"; weights: {'the starter' if starter else 'random'}"
            rows += [_row(recipe, wait, takes, clients[0], note if wait == "first" else "") for wait in WAITS]
    return rows


def _row(recipe: str, wait: str, takes: list[Takes], client: "Client", note: str) -> Row:
    if wait == "first_dragged":
        note = f"of the {DRAG} moves, {statistics.median(client.sounded):g} had been rendered by then"
    middle = [1e3 * statistics.median(taken[wait]) for taken in takes]
    return Row(
        f"{recipe}: {WAITS[wait].format(keys=len(client.pitches))}",
        middle[0],
        middle[1] if len(middle) > 1 else None,
        "ms",
        note=note,
        takes={way: taken[wait] for way, taken in zip(("fast", "plain"), takes, strict=False)},
    )


@contextmanager
def server(bundle: str, runtime: str, home: Path) -> Iterator[tuple[str, str]]:
    """`darktimbre play` in a process of its own; its address and token."""
    command = [sys.executable, "-m", "darktimbre.cli.main", "play", bundle, "--no-open", "--port=0"]
    threads = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    environment = os.environ | threads | {"DARKTIMBRE_HOME": str(home), "COLUMNS": "1000"}  # no line of it is broken
    process = subprocess.Popen(
        [*command, f"--runtime={runtime}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        env=environment,
    )  # fmt: skip
    try:
        yield _address(process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _address(process: subprocess.Popen[str]) -> tuple[str, str]:
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if (found := re.search(r"http://(\S+)/#token=(\S+)", line)) is not None:
            return found[1], found[2]
    raise SystemExit(f"`darktimbre play` ended with status {process.wait()}:\n{said}")


class Client:
    """What the page does, without the page: sends patches, takes notes."""

    def __init__(self, address: str, token: str) -> None:
        from websockets.sync.client import connect

        asked = urllib.request.Request(f"http://{address}/api/instrument", headers={"Authorization": f"Bearer {token}"})
        deadline = time.perf_counter() + 10
        while True:
            try:
                with urllib.request.urlopen(asked) as answer:
                    about: dict[str, Any] = json.load(answer)
                break
            except urllib.error.URLError:  # the link is told just before the port is listened at
                if time.perf_counter() > deadline:
                    raise
                time.sleep(0.05)
        self.runtime: str = about["runtime"]
        self.pitches = sorted({key["source"] for key in about["keys"]})
        self.attribute: str = about["attributes"][0]["name"]
        self.generation = self.moves = 0
        self.sounded: list[int] = []  # moves of each drag that were heard before its end
        self.connection = connect(
            f"ws://{address}/api/live", subprotocols=["darktimbre.1", f"token.{token}"], max_size=None  # type: ignore[list-item]
        )  # fmt: skip

    def close(self) -> None:
        """Ends the connection."""
        self.connection.close()

    def round(self) -> dict[str, float]:
        """One of each wait, in seconds."""
        first, whole = self.move()
        heard = self.moves
        first_again, whole_again = self.move(heard)
        first_dragged = self.drag()
        self.move(heard)  # gives up the rest of that keyboard …
        time.sleep(2 * first)  # … and the note that was under way
        return dict(zip(WAITS, (first, whole, first_again, whole_again, first_dragged), strict=True))

    def move(self, level: int | None = None) -> tuple[float, float]:
        """One move, to a new value or to one of before: seconds to the first note and to the last."""
        began = self.send(level)
        arrived = [self.arrival() for _ in self.pitches]
        return arrived[0] - began, arrived[-1] - began

    def drag(self) -> float:
        """Many moves in short time: seconds from the last one to its first note."""
        due = time.perf_counter()
        heard = set()
        for number in range(DRAG):
            began = self.send()
            due += EVERY
            while number < DRAG - 1 and (left := due - time.perf_counter()) > 0:
                try:
                    message = self.connection.recv(timeout=left)
                except TimeoutError:
                    break
                if isinstance(message, bytes):
                    heard.add(HEADER.unpack_from(message)[0])
        self.sounded.append(len(heard))
        return self.arrival() - began

    def send(self, level: int | None = None) -> float:
        """Sends a patch; when that was."""
        if level is None:
            self.moves += 1
            level = self.moves
        self.generation += 1
        patch = {"darktimbre": "patch", "version": 1, "attributes": {self.attribute: level / 4096}}
        began = time.perf_counter()
        message = {"type": "patch", "generation": self.generation, "patch": patch, "rate": RATE, "near": 60}
        self.connection.send(json.dumps(message))
        return began

    def arrival(self) -> float:
        """When the next note of the newest patch is there."""
        while True:
            message = self.connection.recv(timeout=PATIENCE)
            now = time.perf_counter()
            if isinstance(message, bytes):
                if HEADER.unpack_from(message)[0] == self.generation:
                    return now
            elif (told := json.loads(message))["type"] == "failed":
                raise SystemExit(told["reason"])
