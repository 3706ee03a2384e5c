"""`darktimbre play` prints its address, opens to the network only by two flags, and ends at once."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.bundle.tiny import DIGEST, NAMES
from tests.conftest import Run
from websockets.sync.client import connect

from darktimbre import teachers
from darktimbre.cli import play
from darktimbre.export.runtime import open_instrument
from darktimbre.instrument import serving
from darktimbre.instrument.admission import Admission
from darktimbre.instrument.messages import ExportRequest
from darktimbre.instrument.uploads import TaggedSounds
from darktimbre.notes.attributes import STYLES, Attributes


def _heeds_all_signals() -> None:
    """As from a terminal, though the tests themselves run under nohup or in a shell's background."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


@contextmanager
def _playing(bundle: Path, home: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The process, the address it plays at, and its token."""
    options = ["--no-open", "--runtime", "torch", *more]
    command = [sys.executable, "-m", "darktimbre.cli.main", "play", str(bundle), *options]
    environment = {**os.environ, "DARKTIMBRE_HOME": str(home), "PYTHONFAULTHANDLER": "1"}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        preexec_fn=_heeds_all_signals if os.name == "posix" else None,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        link = re.fullmatch(rf"Playing {re.escape(str(bundle))} at (http://\S+)/#token=(\S+)\n", line)
        assert link, (line, process.stderr and process.stderr.read())
        assert process.stdout.readline() == "Ctrl-C ends it.\n"
        yield process, link[1], link[2]
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def _ended(process: subprocess.Popen[str]) -> int:
    """How it ended; one that does not end within half a minute is made to print where its threads are."""
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        assert process.stderr is not None
        pytest.fail(f"It went on for 30 s after the signal to end:\n{process.stderr.read()}")


def _request(address: str, token: str, path: str, body: Any = None, method: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": "application/json"} if body is not None else {})
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, content, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        got = answer.read()
        return json.loads(got) if answer.headers.get_content_type() == "application/json" else got


def test_it_plays_keeps_presets_and_ends_at_once(bundle: Path, tmp_path: Path) -> None:
    with _playing(bundle, tmp_path) as (process, address, token):
        facts = _request(address, token, "/api/instrument")
        assert [facts[key] for key in ("name", "teacher")] == ["tiny", "embedded"]
        assert facts["exports"] == ["sfz", "decentsampler", "wavs"]
        assert _request(address, token, "/api/status")["renderer"]["rendered"] == 1  # warm
        assert _request(address, token, "/api/render", {"pitch": 60})[:4] == b"RIFF"
        _request(address, token, "/api/presets/mine", {"seed": 3}, "PUT")
        (file,) = (tmp_path / "presets").iterdir()
        assert re.fullmatch(r"tiny-[0-9a-f]{12}\.json", file.name)
        live = connect(
            address.replace("http", "ws") + "/api/live", subprotocols=["darktimbre.1", f"token.{token}"], max_size=None
        )
        with live, socket.create_connection(tuple(address.removeprefix("http://").split(":"))) as idle:
            idle.sendall(b"GET / HT")
            live.send(json.dumps({"type": "patch", "generation": 1, "patch": {"seed": 5}}))
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            assert _ended(process) == 130
            assert time.monotonic() - began < 2
        assert process.stderr is not None
        assert process.stderr.read() == "Stopped on your request.\n"
        with pytest.raises(OSError):  # noqa: PT011
            _request(address, token, "/api/status")


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_nothing_is_left_behind_however_it_is_ended(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with _playing(bundle, tmp_path) as (process, _, _):
        assert len(list(temporary.glob("darktimbre-*"))) == 1
        process.send_signal(getattr(signal, number))
        assert _ended(process) == 130
    assert list(temporary.glob("darktimbre-*")) == []


def test_the_archive_for_a_sampler_is_made_by_the_exporter(bundle: Path, tmp_path: Path) -> None:
    export = play.exporter(open_instrument(str(bundle), "cpu", "torch"), tmp_path)
    paths = {export(ExportRequest(format=form, title="Both", loops=False, step=12)) for form in play.EXPORTS}
    assert len(paths) == len(play.EXPORTS)
    assert all(path.read_bytes()[:2] == b"PK" for path in paths)
    assert set(tmp_path.iterdir()) == paths  # the samples of which they were made are gone


# --- the network ---


def test_the_network_needs_to_be_allowed_and_what_that_means_is_printed(bundle: Path, run: Run) -> None:
    for host in ("0.0.0.0", "192.168.1.20", "::"):
        printed = run("play", bundle, "--host", host, status=2)
        assert "anyone on the network who has the link can play" in printed
        assert "nothing is encrypted" in printed
        assert "--allow-network" in printed
    assert "--allow-host" in run("play", bundle, "--host", "0.0.0.0", "--allow-network", status=2)
    assert "leave it out" in run("play", bundle, "--allow-host", "x", status=2)
    assert "takes an address" in run("play", bundle, "--host", "evil.example", "--allow-network", status=2)


def test_a_port_in_use_is_refused_with_the_remedy(bundle: Path, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        printed = run("play", bundle, "--port", taken.getsockname()[1], status=2)
    assert "in use" in printed
    assert "--port, or 0 for any" in printed


def test_an_allowed_network_holds_its_own_name_only(
    bundle: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[tuple[str, int], Admission]] = []
    monkeypatch.setenv("DARKTIMBRE_HOME", str(tmp_path))
    monkeypatch.setattr(
        serving, "serve", lambda app, listening, admission: served.append((listening.getsockname(), admission))
    )
    more = ["--host", "0.0.0.0", "--allow-network", "--allow-host", "Studio.local", "--no-open", "--runtime", "torch"]
    printed = run("play", bundle, *more)
    (((host, port), admission),) = served
    assert host == "0.0.0.0"
    assert admission.hosts == {f"studio.local:{port}"}
    assert f"http://studio.local:{port}/#token={admission.token}" in printed
    assert "nothing is encrypted" in printed


# --- the teacher ---


class _Tagger:
    """Predicts the same of every sound."""

    name, sample_rate, labels = "fake", 16000, (*NAMES, "Speech")

    def __init__(self, digest: str) -> None:
        self.digest = digest

    def logits(self, waves: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[2.0, 0.0, -2.0, 9.0]]).repeat(len(waves), 1)


ATTRIBUTES = Attributes(pitches=(59, 60, 61), names=NAMES, teacher="yamnet", teacher_digest=DIGEST, temperature=2.0)
TONE = np.sin(np.arange(8000) * 2 * np.pi * 440 / 8000).astype(np.float32)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    """What `teachers.load` was called with; it returns a teacher by other weights, `OWN` for that file."""
    monkeypatch.setenv("DARKTIMBRE_HOME", str(tmp_path))
    calls: list[tuple[str, dict[str, Any]]] = []

    def load(name: str, **rest: Any) -> _Tagger:
        calls.append((name, rest))
        return _Tagger(DIGEST if rest["weights"] == OWN else "other")

    monkeypatch.setattr(teachers, "load", load)
    return calls


OWN = Path("own.tflite")


def _sounds(teacher: str | None = None, weights: Path | None = None) -> TaggedSounds:
    name = play.teacher_name(ATTRIBUTES, teacher, weights)
    return TaggedSounds(ATTRIBUTES, lambda: play.load_teacher(ATTRIBUTES, name, weights, "cpu"))


def test_styles_have_no_teacher_that_could_describe_sounds() -> None:
    styled = Attributes(pitches=(59, 60, 61), names=("slow", "fast"), teacher=STYLES)
    assert play.teacher_name(styled, None, None) is None
    assert play.describer(styled, None, None, "cpu") is None
    assert isinstance(play.describer(ATTRIBUTES, "embedded", None, "cpu"), TaggedSounds)


def test_the_teacher_is_loaded_with_the_first_sound_and_warned_of_once(
    loaded: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    sounds = _sounds()
    assert loaded == []
    found = [sounds(TONE, 8000) for _ in range(3)]
    assert [name for name, _ in loaded] == ["embedded"]  # yamnet's weights are not here
    assert found[0].pitch == pytest.approx(69, abs=0.02)
    assert list(found[0].attributes.values()) == pytest.approx(
        [1 / (1 + np.exp(-x / 2)) for x in (2.0, 0.0, -2.0)], abs=1e-6
    )
    warned = capsys.readouterr().err
    assert warned.count("cannot be compared exactly") == 1
    assert "`darktimbre weights` gets yamnet" in " ".join(warned.split())
    assert sounds(np.zeros(8000, np.float32), 8000).pitch is None


def test_the_right_teacher_needs_no_warning(loaded: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    _sounds(weights=OWN)(TONE, 8000)
    assert loaded == [("yamnet", {"device": "cpu", "weights": OWN})]
    assert capsys.readouterr().err == ""
