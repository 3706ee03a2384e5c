"""Vocabulary, and the keeping of weights: adding, fetching, verifying, and what is said when they are absent."""

import hashlib
import io
import json
import urllib.request
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from darktimbre import teachers
from darktimbre.cli.weights import app
from darktimbre.notes.errors import UserError
from darktimbre.teachers import vocabulary, weights


class Online:
    """Stands where the network would be: answers every request with `content`."""

    def __init__(self, content: bytes, *, length: int | None = None) -> None:
        self.content = content
        self.length = len(content) if length is None else length

    def open(self, request: object, timeout: float) -> object:
        answer = io.BytesIO(self.content)
        answer.headers = {"Content-Length": str(self.length)}  # type: ignore[attr-defined]
        return answer


@pytest.fixture
def online(monkeypatch):
    def answer(content: bytes, **settings: int) -> None:
        monkeypatch.setattr(urllib.request, "build_opener", lambda *handlers: Online(content, **settings))

    return answer


# --- vocabulary -------------------------------------------------------------------------------------------------------


def test_vocabulary_is_audiosets():
    classes = vocabulary.audioset()
    assert len(classes) == len({c.mid for c in classes}) == 527
    assert sorted(c.yamnet for c in classes if c.yamnet is not None) == list(range(521))
    by_name = {c.name: c for c in classes}
    assert by_name["Singing bowl"].mid == "/m/0l14t7"
    assert vocabulary.yamnet_labels()[0] == vocabulary.cnn14_labels()[0] == "Speech"
    assert vocabulary.yamnet_labels()[132] == "Music"


def test_mean_average_precision_is_the_published_one():
    """Kong et al. 2020 state mAP 0.431 for Cnn14."""
    assert abs(np.mean([c.average_precision for c in vocabulary.audioset()]) - 0.431) < 0.001


def test_vocabulary_is_the_tflite_files(shared):
    import csv

    with (shared("teachers") / "yamnet_class_map.csv").open(encoding="utf-8") as file:
        assert vocabulary.yamnet_labels() == tuple(row["display_name"] for row in csv.DictReader(file))


# --- keeping ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["yamnet", "cnn14", "cnn14-16k"])
def test_absent_weights_end_in_a_remedy(name):
    with pytest.raises(UserError, match=f"darktimbre weights fetch {name}.*--teacher embedded"):
        teachers.load(name)


def test_unknown_names_are_reported():
    with pytest.raises(UserError, match="yamnet, cnn14"):
        weights.fetch("vggish")
    with pytest.raises(UserError, match="ships with"):
        weights.fetch("embedded")
    with pytest.raises(UserError, match=r"no weights file .*nothing\.h5"):
        teachers.load("yamnet", weights="nothing.h5")


def test_add_converts_yamnet_and_keeps_its_digest(shared, home):
    source = shared("teachers/yamnet.tflite")
    kept = weights.add("yamnet", source)
    assert kept == home / "yamnet.safetensors"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert teachers.load("yamnet").digest == teachers.load("yamnet", weights=source).digest == digest
    assert weights.verify() == {"yamnet": "ok"}
    with kept.open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\1\2\3\4")
    assert "has changed" in weights.verify()["yamnet"]
    kept.unlink()
    assert "missing" in weights.verify()["yamnet"]
    with pytest.raises(UserError, match="weights fetch yamnet"):
        teachers.load("yamnet")


def test_add_refuses_what_does_not_load(tmp_path, home):
    (tmp_path / "yamnet.h5").write_bytes(b"\x89HDF\r\n\x1a\n and nothing more")
    with pytest.raises(UserError, match=r"yamnet\.h5"):
        weights.add("yamnet", tmp_path / "yamnet.h5")
    assert not any(home.iterdir())


def test_fetch_compares_the_digest_before_anything_else(online, home):
    online(b"not what was requested")
    with pytest.raises(UserError, match="has SHA-256"):
        weights.fetch("yamnet", sha256_wanted="0" * 64)
    for name, source in weights.SOURCES.items():
        with pytest.raises(UserError, match=f"has SHA-256 [0-9a-f]{{64}}, not {source.sha256}"):
            weights.fetch(name)
    assert not any(home.iterdir())


def test_fetch_keeps_the_right_file(shared, online, home):
    content = shared("teachers/yamnet.tflite").read_bytes()
    online(content)
    seen: list[tuple[int, int | None]] = []
    digest = hashlib.sha256(content).hexdigest()
    kept = weights.fetch("yamnet", sha256_wanted=digest, progress=lambda done, whole: seen.append((done, whole)))
    assert seen[-1] == (len(content), len(content))
    assert json.loads((home / "weights.json").read_text())["yamnet"]["source_sha256"] == digest
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == []
    assert kept.is_file()


def test_fetch_stops_at_the_limit_and_at_a_broken_line(online, monkeypatch):
    monkeypatch.setitem(weights.SOURCES, "yamnet", replace(weights.SOURCES["yamnet"], limit=10))
    online(b"more than ten bytes")
    with pytest.raises(UserError, match="sends more than"):
        weights.fetch("yamnet", sha256_wanted="0" * 64)
    online(b"nine here", length=400)
    with pytest.raises(UserError, match="broke off at 9 of 400"):
        weights.fetch("yamnet", sha256_wanted="0" * 64)


def test_offline_ends_in_a_remedy(monkeypatch):
    class Offline:
        def open(self, request: object, timeout: float) -> object:
            raise urllib.request.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "build_opener", lambda *handlers: Offline())
    with pytest.raises(UserError, match=r"can't be reached \(no route to host\).*weights add cnn14 FILE.*embedded"):
        weights.fetch("cnn14")


def test_only_https_is_followed(monkeypatch):
    monkeypatch.setitem(
        weights.SOURCES, "yamnet", replace(weights.SOURCES["yamnet"], address="http://example.org/y.h5")
    )
    with pytest.raises(UserError, match="not an HTTPS address"):
        weights.fetch("yamnet", sha256_wanted="0" * 64)


def test_every_source_is_https_and_has_a_licence():
    for source in weights.SOURCES.values():
        assert source.address.startswith("https://")
        assert source.licence
        assert len(bytes.fromhex(source.sha256)) == 32


def test_command_line(shared, home):
    invoke = CliRunner().invoke
    listed = "".join(invoke(app, ["list"], env={"COLUMNS": "80"}).output.split())
    assert "inthepackage" in listed
    assert all(source.address in listed for source in weights.SOURCES.values())
    assert "No weights are kept" in invoke(app, ["verify"]).output
    added = invoke(app, ["add", "yamnet", str(shared("teachers/yamnet.tflite"))])
    assert added.exit_code == 0
    assert invoke(app, ["verify"]).output.strip() == "yamnet: ok"
    (home / "yamnet.safetensors").write_bytes(b"changed")
    assert invoke(app, ["verify"]).exit_code == 1
