"""The page's server gives what the synthesizer plays, by HTTP and live, and its OpenAPI document is true."""

import asyncio
import io
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import websockets
from tests.instrument.running import Running, running

from darktimbre.audio.shape import resample
from darktimbre.instrument.messages import DescriptionAnswer, ExportRequest
from darktimbre.synthesizer.keys import keyboard, render_key
from darktimbre.synthesizer.patch import Patch

PATCH = {"attributes": {"drum": 0.8}, "seed": 5, "pad": [0.2, -0.4]}


def _described(wave: np.ndarray, rate: int) -> DescriptionAnswer:
    assert (wave.shape, wave.dtype, rate) == ((2000,), np.float32, 8000)
    return DescriptionAnswer(attributes={"Drum": float(np.abs(wave).max())}, pitch=60.25, teacher="fake")


def _export(folder: Path) -> Any:
    def export(request: ExportRequest) -> Path:
        path = folder / "made.zip"
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("request.json", request.model_dump_json())
        return path

    return export


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    with running(folder, describer=_described, teacher="fake", exporter=_export(folder), exports=("sfz",)) as one:
        yield one


def _wav(content: bytes) -> tuple[np.ndarray, int, str]:
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        return file.read(dtype="float32"), file.samplerate, file.subtype


# --- HTTP ---


def test_the_instrument_is_described_as_it_is(served: Running) -> None:
    answer, own = served.request("GET", "/api/instrument").json, served.instrument
    assert (answer["digest"], answer["sample_rate"], answer["seconds"]) == (own.bundle.digest, 8000, 0.25)
    assert (answer["pitches"], answer["latent_size"], answer["between"]) == ([59, 60, 61], 8, True)
    assert [(key["midi"], key["source"], key["semitones"]) for key in answer["keys"]] == [
        (key.midi, key.source, key.semitones) for key in keyboard(own)
    ]
    assert {one["name"] for one in answer["attributes"]} == set(own.attributes.names)
    assert (answer["teacher"], answer["exports"], answer["runtime"]) == ("fake", ["sfz"], "torch")


@pytest.mark.parametrize(("pitch", "rate", "velocity"), [(60, None, 127), (59, 16000, 64), (72, 11025, 1)])
def test_a_rendered_note_is_the_keys_note(served: Running, pitch: int, rate: int | None, velocity: int) -> None:
    request = {"patch": PATCH, "pitch": pitch, "velocity": velocity, "rate": rate}
    answer = served.request("POST", "/api/render", request)
    assert (answer.status, answer.headers["content-type"]) == (200, "audio/wav")
    wave, answer, subtype = _wav(answer.body)
    assert (answer, subtype) == (rate or 8000, "FLOAT")
    expected = render_key(served.instrument, Patch.from_json(PATCH), pitch, rate) * (velocity / 127) ** 2
    np.testing.assert_allclose(wave, expected, atol=1e-7)


def test_sixteen_bits_are_the_same_note_rounded(served: Running) -> None:
    wave, _, subtype = _wav(served.request("POST", "/api/render", {"patch": PATCH, "bits": 16}).body)
    assert subtype == "PCM_16"
    expected = render_key(served.instrument, Patch.from_json(PATCH), 60)
    np.testing.assert_allclose(wave, np.clip(expected, -1, 1), atol=1 / 32768)


def test_a_batch_holds_each_note_and_how_it_was_made(served: Running) -> None:
    notes = [{"pitch": 60, "patch": PATCH}, {"pitch": 48, "velocity": 90}, {"pitch": 61}]
    answer = served.request("POST", "/api/render/batch", {"notes": notes, "rate": 12000})
    assert answer.headers["content-type"] == "application/zip"
    packed = zipfile.ZipFile(io.BytesIO(answer.body))
    manifest = json.loads(packed.read("manifest.json"))
    assert (manifest["weights_sha256"], manifest["sample_rate"]) == (served.instrument.bundle.digest, 12000)
    assert [entry["pitch"] for entry in manifest["files"]] == [60, 48, 61]
    for entry in manifest["files"]:
        wave, rate, _ = _wav(packed.read(entry["file"]))
        patch = Patch.from_json(entry["patch"])
        expected = render_key(served.instrument, patch, entry["pitch"], 12000) * (entry["velocity"] / 127) ** 2
        assert rate == 12000
        np.testing.assert_allclose(wave, expected, atol=1e-7)
    assert served.statistics()["requests"]["downloads"] == 0


def test_a_sound_is_tagged_at_the_instruments_rate_and_length(served: Running) -> None:
    file = io.BytesIO()
    soundfile.write(file, 0.5 * np.sin(np.arange(44100) * 2 * np.pi * 440 / 44100), 44100, format="FLAC")
    for headers in ({}, {"Content-Type": "application/octet-stream"}, {"Content-Type": "audio/flac"}):
        answer = served.request(
            "PUT", "/api/describe", file.getvalue(), headers={**served.bearer, **headers}, bare=True
        )
        assert answer.json == {"attributes": {"Drum": pytest.approx(0.5, abs=0.01)}, "pitch": 60.25, "teacher": "fake"}


def test_presets_are_kept_replaced_and_forgotten(served: Running) -> None:
    assert served.request("PUT", "/api/presets/Dark%20bells%20%E2%99%AB", PATCH).status == 204
    assert served.request("PUT", "/api/presets/b", {"seed": 2}).status == 204
    assert served.request("PUT", "/api/presets/b", {"seed": 3}).status == 204
    stored = served.request("GET", "/api/presets").json
    assert list(stored["presets"]) == ["Dark bells ♫", "b"]
    assert Patch.from_json(stored["presets"]["Dark bells ♫"]) == Patch.from_json(PATCH)
    assert stored["presets"]["b"]["seed"] == 3
    gone = served.request("DELETE", "/api/presets/b")
    assert (gone.status, gone.body, gone.headers.get("content-type")) == (204, b"", None)
    assert served.request("DELETE", "/api/presets/b").status == 404
    assert list(served.request("GET", "/api/presets").json["presets"]) == ["Dark bells ♫"]


def test_words_are_a_mix_that_nothing_is_set_to(served: Running) -> None:
    mix = served.request("POST", "/api/words", {"text": " a drum "}).json
    assert mix["text"] == "a drum"
    assert mix["levels"]["Drum"] == 1.0
    assert sum(mix["shares"].values()) == pytest.approx(1.0)
    for text in ("", "not a drum", "a" * 10_000):
        answer = served.request("POST", "/api/words", {"text": text})
        assert (answer.status, list(answer.json)) == (422, ["error"])


def test_an_export_is_what_the_exporter_made(served: Running) -> None:
    answer = served.request("POST", "/api/export", {"format": "sfz", "patches": [PATCH, {}], "arrangement": "velocity"})
    request = json.loads(zipfile.ZipFile(io.BytesIO(answer.body)).read("request.json"))
    assert (request["arrangement"], len(request["patches"])) == ("velocity", 2)
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["content-disposition"] == 'attachment; filename="sfz.zip"'
    assert "exports sfz, not wavs" in served.request("POST", "/api/export", {"format": "wavs"}).error


def test_without_tagger_and_exporter_both_say_so(tmp_path: Path) -> None:
    with running(tmp_path, pitched=False) as one:
        answer = one.request("GET", "/api/instrument").json
        assert (answer["teacher"], answer["exports"], answer["pitches"]) == (None, [], [])
        assert one.request("PUT", "/api/describe", b"RIFF", headers=one.bearer, bare=True).status == 409
        assert one.request("POST", "/api/export", {}).status == 422
        wave, _, _ = _wav(one.request("POST", "/api/render", {"pitch": 60}).body)
        np.testing.assert_allclose(wave, one.instrument.render(seed=[0])[0], atol=1e-7)


# --- the page ---


def test_the_page_is_there_without_a_token_and_says_how_to_treat_it(tmp_path: Path) -> None:
    from darktimbre.instrument.server import page_files

    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "main.js").write_text("export {}")
    with running(tmp_path, page=page_files(tmp_path)) as one:
        page = one.request("GET", "/", bare=True)
        assert (page.status, page.body) == (200, b"<!doctype html>")
        script = one.request("GET", "/page/main.js", bare=True)
        assert script.headers["content-type"].startswith("text/javascript")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert f"connect-src 'self' ws://{one.host}" in policy
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert (
            page.headers["cross-origin-opener-policy"] == page.headers["cross-origin-resource-policy"] == "same-origin"
        )
        assert page.headers["permissions-policy"].startswith("midi=(self), ")
        assert "server" not in page.headers
        api = one.request("GET", "/api/status")
        assert api.headers["cache-control"] == "no-store"
        assert not any(name.startswith("access-control") for name in api.headers)


# --- live ---


async def _keyboard(connection: Any, message: dict[str, Any]) -> tuple[dict[str, Any], dict[float, np.ndarray], dict]:
    """One patch: what was begun, the notes by source, and how it ended."""
    await connection.send(json.dumps(message))
    begun = json.loads(await connection.recv())
    notes = {}
    while isinstance(answer := await connection.recv(), bytes):
        generation, source, rate, count = struct.unpack_from("<IfII", answer)
        assert (generation, rate) == (message["generation"], message.get("rate", 48000))
        notes[source] = np.frombuffer(answer, "<f4", offset=16)
        assert len(notes[source]) == count
    return begun, notes, json.loads(answer)


def _connect(served: Running, **more: Any) -> Any:
    return websockets.connect(
        f"ws://{served.host}/api/live", subprotocols=["darktimbre.1", f"token.{served.token}"], max_size=None, **more
    )


def test_a_live_patch_brings_every_pitch_nearest_first(served: Running) -> None:
    async def play() -> None:
        async with _connect(served, origin=f"http://{served.host}") as connection:
            assert connection.subprotocol == "darktimbre.1"
            message = {"type": "patch", "generation": 7, "patch": {"seed": 77}, "rate": 8000, "near": 61}
            begun, notes, ended = await _keyboard(connection, message)
            assert begun == {"type": "begun", "generation": 7, "pitches": [61.0, 60.0, 59.0], "cached": 0}
            assert list(notes) == [61.0, 60.0, 59.0]
            for source, wave in notes.items():
                np.testing.assert_array_equal(wave, served.instrument.render([source], seed=[77])[0])
            assert (ended["type"], ended["rendered"], ended["cached"]) == ("finished", 3, 0)
            await connection.send(json.dumps({"type": "near", "pitch": 59}))
            begun, again, ended = await _keyboard(connection, {**message, "generation": 8, "rate": 48000, "near": 59})
            assert (begun["cached"], ended["cached"], list(again)) == (3, 3, [59.0, 60.0, 61.0])
            for source, wave in again.items():
                np.testing.assert_allclose(wave, resample(notes[source], 8000, 48000), atol=1e-7)

    asyncio.run(play())


def test_a_patch_that_cannot_be_played_fails_by_its_generation(served: Running) -> None:
    async def play() -> None:
        async with _connect(served) as connection:
            for patch, reason in (({"attributes": {"Drumm": 1}}, "'Drum'"), ({"seed": -1}, "seed"), (3, "patch")):
                await connection.send(json.dumps({"type": "patch", "generation": 9, "patch": patch}))
                answer = json.loads(await connection.recv())
                assert (answer["type"], answer["generation"]) == ("failed", 9)
                assert reason in answer["reason"]

    asyncio.run(play())


def test_while_a_slider_moves_the_notes_follow_it(served: Running) -> None:
    """Faster moves than notes are rendered: what was in hand when the next came is played all the same."""

    async def drag() -> list[int]:
        received = []
        async with _connect(served) as connection:
            for generation in range(1, 41):
                patch = {"seed": 500, "attributes": {"Drum": generation / 40}}
                await connection.send(json.dumps({"type": "patch", "generation": generation, "patch": patch}))
                await asyncio.sleep(0.002)
            while True:
                answer = await asyncio.wait_for(connection.recv(), 10)
                if isinstance(answer, bytes):
                    received.append(struct.unpack_from("<I", answer)[0])
                elif json.loads(answer)["type"] == "finished" and json.loads(answer)["generation"] == 40:
                    return received

    received = asyncio.run(drag())
    assert received == sorted(received)
    assert set(received[-3:]) == {40}
    assert len(set(received)) >= 5


def test_an_unpitched_note_has_no_source(tmp_path: Path) -> None:
    async def play(one: Running) -> None:
        async with _connect(one) as connection:
            begun, notes, _ = await _keyboard(connection, {"type": "patch", "generation": 1, "patch": {}})
            assert begun["pitches"] == [None]
            assert all(math.isnan(source) for source in notes)

    with running(tmp_path, pitched=False) as one:
        asyncio.run(play(one))


# --- OpenAPI ---


def test_the_document_lists_every_route_with_token_models_and_errors(served: Running) -> None:
    document = served.request("GET", "/openapi.json").json
    assert {(method, path) for path, methods in document["paths"].items() for method in methods} == {
        ("get", "/api/instrument"), ("post", "/api/render"), ("post", "/api/render/batch"), ("put", "/api/describe"),
        ("put", "/api/encode"), ("post", "/api/latent"), ("get", "/api/points"), ("post", "/api/words"),
        ("get", "/api/presets"), ("put", "/api/presets/{name}"), ("delete", "/api/presets/{name}"),
        ("post", "/api/export"), ("get", "/api/status"),
    }  # fmt: skip
    for methods in document["paths"].values():
        for route in methods.values():
            assert route["security"] == [{"HTTPBearer": []}]
            assert route["description"]
            for status in ("401", "403"):
                schema = route["responses"][status]["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_every_example_of_the_document_is_accepted(served: Running) -> None:
    document = served.request("GET", "/openapi.json").json
    tried = 0
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            content = route.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None:
                continue
            schema = content["schema"]
            if "$ref" in schema:
                schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            for example in schema["examples"]:
                answer = served.request(method.upper(), path.replace("{name}", "example"), example)
                assert answer.status in (200, 204), (path, example, answer.body)
                tried += 1
    assert tried == 6
    served.request("DELETE", "/api/presets/example")


# --- docs/http.md ---


def test_the_documentations_examples_run_as_they_are_written(served: Running, tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
    environment = {**os.environ, "LINK": f"http://{served.host}/#token={served.token}"}
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert [kind for kind, _ in blocks] == ["sh", "sh", "python", "python"]
    shell = "".join(code for kind, code in blocks if kind == "sh")
    commands = [[sys.executable, "-c", code] for kind, code in blocks if kind == "python"]
    if shutil.which("curl") and shutil.which("sh"):
        commands.insert(0, ["sh", "-e", "-c", shell])
    for command in commands:
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert '"type": "finished"' in ended.stdout
    sweep = [_wav((tmp_path / f"sweep_{step}.wav").read_bytes())[0] for step in range(5)]
    assert len({wave.tobytes() for wave in sweep}) == 5


def test_the_page_plays_a_quiet_instrument_louder_and_a_loud_one_as_it_is() -> None:
    from tests.bundle.tiny import tiny_bundle

    from darktimbre.instrument.describe import LOUDEST, make_up_gain
    from darktimbre.synthesizer.synthesizer import Synthesizer

    quiet = Synthesizer(tiny_bundle(examples=[[0.1, 0.2, 0.3]]))
    peak = float(np.abs(quiet.render(pitch=60, attributes=np.array([[0.1, 0.2, 0.3]], np.float32))).max())
    assert make_up_gain(quiet) == pytest.approx(min(max(1 / peak, 1.0), LOUDEST), abs=1e-3)
    assert 1.0 <= make_up_gain(Synthesizer(tiny_bundle(pitched=False))) <= LOUDEST
