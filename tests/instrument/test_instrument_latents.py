"""An autoencoder at the page's server: points and styles, sounds that become latents, latents that are played."""

import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.bundle.tiny import tiny_autoencoder
from tests.instrument.running import Running, running

from darktimbre.bundle.bundle import Bundle
from darktimbre.instrument.points import axes, nearest, points
from darktimbre.instrument.uploads import decoded
from darktimbre.synthesizer.keys import render_key
from darktimbre.synthesizer.patch import Patch


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("served"), bundle=tiny_autoencoder(encoded=True)) as one:
        yield one


def _sound(peak: float = 0.25, hz: float = 261.6, rate: int = 16000) -> bytes:
    file, time = io.BytesIO(), np.arange(rate) / rate
    soundfile.write(file, peak * np.sin(2 * np.pi * hz * time), rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def _encoded(served: Running, content: bytes) -> dict[str, object]:
    answer = served.request("PUT", "/api/encode", content, headers=served.bearer, bare=True)
    assert answer.status == 200, answer.body
    return dict(answer.json)


def test_the_description_has_styles_latents_and_points(served: Running) -> None:
    answer, own = served.request("GET", "/api/instrument").json, served.instrument
    assert answer["styles"] == list(own.attributes.names)
    assert (answer["architecture"], answer["latent_size"]) == ("autoencoder", own.latent_size)
    assert (answer["encodes"], answer["points"], answer["level_db"]) == (True, len(own.bundle.encoded.names), -1.0)
    assert answer["teacher"] is None


def test_points_are_the_bundles_notes(served: Running) -> None:
    answer, held = served.request("GET", "/api/points").json, served.instrument.bundle.encoded
    assert answer["names"] == list(held.names)
    np.testing.assert_allclose(answer["latent"], held.latent, atol=5e-5)
    np.testing.assert_allclose(answer["level_db"], held.level_db, atol=5e-3)
    assert [-1 if pitch is None else pitch for pitch in answer["pitch"]] == held.pitch.tolist()
    rows = np.zeros_like(held.styles)
    for row, tags in zip(rows, answer["styles"], strict=True):
        row[tags] = 1
    np.testing.assert_array_equal(rows, held.styles)
    assert answer["tags"] == list(served.instrument.attributes.names)
    assert answer["axes"] == np.eye(3).tolist()


def test_a_sound_becomes_the_latent_of_the_synthesizers_encoder(served: Running) -> None:
    content, own = _sound(), served.instrument
    answer = _encoded(served, content)
    expected = own.encode(decoded(content, own.sample_rate, own.samples, 20.0)[None])
    np.testing.assert_allclose(answer["latent"], expected.latent[0], atol=5e-5)
    assert answer["level_db"] == pytest.approx(20 * np.log10(0.25), abs=0.1)
    assert answer["pitch"] == pytest.approx(60.0, abs=0.1)
    assert answer["nearest"] == nearest(own.bundle.encoded, expected.latent[0]).model_dump()


def test_a_sound_longer_than_a_note_is_reported_as_cut(served: Running) -> None:
    second, half = _sound(), io.BytesIO()
    samples, rate = soundfile.read(io.BytesIO(second), dtype="float32")
    soundfile.write(half, samples[: rate // 2], rate, format="WAV", subtype="FLOAT")
    assert served.instrument.seconds == 0.5
    assert (_encoded(served, second)["cut"], _encoded(served, half.getvalue())["cut"]) == (True, False)


def test_loudness_is_carried_beside_the_latent(served: Running) -> None:
    loud, soft = _encoded(served, _sound(0.5)), _encoded(served, _sound(0.05))
    np.testing.assert_allclose(loud["latent"], soft["latent"], atol=1e-3)
    assert loud["level_db"] - soft["level_db"] == pytest.approx(20.0, abs=0.05)
    waves = []
    for encoded in (loud, soft):
        patch = {"latent": loud["latent"], "level_db": encoded["level_db"]}
        answer = served.request("POST", "/api/render", {"patch": patch, "pitch": 61})
        waves.append(soundfile.read(io.BytesIO(answer.body), dtype="float32")[0])
        np.testing.assert_allclose(
            waves[-1], render_key(served.instrument, Patch.from_json(patch), 61), rtol=1e-5, atol=1e-7
        )
    gain = 10 ** ((loud["level_db"] - soft["level_db"]) / 20)
    np.testing.assert_allclose(waves[0], gain * waves[1], rtol=1e-3, atol=1e-6)


def test_the_latent_of_a_patch_is_reported(served: Running) -> None:
    own = served.instrument
    for patch in ({"seed": 5}, {"seed": 5, "pad": [0.5, -0.25]}, {"latent": [0.5, -1.0, 2.0]}):
        answer = served.request("POST", "/api/latent", {"patch": patch}).json
        expected = Patch.from_json(patch).latent_on(own)
        np.testing.assert_allclose(answer["latent"], expected, atol=5e-5)
        assert answer["nearest"]["index"] == int(np.linalg.norm(own.bundle.encoded.latent - expected, axis=1).argmin())


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("PUT", "/api/encode", b"", 422, "holds no sound file"),
        ("PUT", "/api/encode", b"RIFFnothing", 422, "cannot be read"),
        ("PUT", "/api/encode", _sound(0.0), 422, "silent"),
        ("PUT", "/api/describe", _sound(), 409, "styles, which no teacher predicts: send the sound to /api/encode"),
        (
            "POST",
            "/api/render",
            {"patch": {"latent": [0.0, 1.0]}},
            422,
            "latent has 2 values, this instrument's have 3",
        ),
        ("POST", "/api/latent", {"patch": {"latent": [0.0]}}, 422, "latent has 1 value"),
        ("POST", "/api/render", {"patch": {"latent": [0.0, 1.0, "x"]}}, 422, "no patch that can be played: latent"),
    ],
)
def test_what_cannot_be_placed_or_played_is_refused_with_a_sentence(
    served: Running, method: str, path: str, body: object, status: int, sentence: str
) -> None:
    raw = isinstance(body, bytes)
    answer = served.request(method, path, body, headers=served.bearer if raw else None, bare=raw)
    assert answer.status == status
    assert sentence in answer.error


def test_an_upload_is_a_sound_file_and_not_json(served: Running) -> None:
    headers = {**served.bearer, "Content-Type": "application/json"}
    answer = served.request("PUT", "/api/encode", _sound(), headers=headers, bare=True)
    assert (answer.status, "sound file itself" in answer.error) == (415, True)
    assert served.request("PUT", "/api/encode", _sound(), bare=True).status == 401


@pytest.mark.parametrize("bundle", [None, tiny_autoencoder(encoder=False)])
def test_an_instrument_without_an_encoder_says_so(tmp_path: Path, bundle: Bundle | None) -> None:
    with running(tmp_path, bundle=bundle) as one:
        answer = one.request("GET", "/api/instrument").json
        assert (answer["encodes"], answer["points"]) == (False, 0)
        answer = one.request("PUT", "/api/encode", _sound(), headers=one.bearer, bare=True)
        assert (answer.status, "no encoder" in answer.error) == (409, True)
        empty = one.request("GET", "/api/points").json
        assert (empty["names"], empty["latent"]) == ([], [])
        assert one.request("POST", "/api/latent", {}).json["nearest"] is None


def test_the_documentations_examples_run_as_they_are_written(served: Running, tmp_path: Path) -> None:
    if not shutil.which("curl") or not shutil.which("bash"):
        pytest.skip("curl or bash is not installed")
    text = (Path(__file__).resolve().parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
    (first, *_) = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (own,) = re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    setting = first[: first.index("# The instrument")]
    (tmp_path / "note.wav").write_bytes(_sound())
    environment = {**os.environ, "LINK": f"http://{served.host}/#token={served.token}"}
    ended = subprocess.run(
        ["bash", "-e", "-c", setting + own], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert set(json.loads((tmp_path / "encoded.json").read_text())) == {"latent", "level_db", "pitch", "nearest", "cut"}
    assert np.abs(soundfile.read(tmp_path / "again.wav")[0]).max() > 0


def test_axes_are_the_dimensions_or_the_directions_of_most_variance() -> None:
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(axes(rng.normal(size=(50, 2))), np.eye(2))
    np.testing.assert_array_equal(axes(rng.normal(size=(50, 3))), np.eye(3))
    np.testing.assert_array_equal(axes(np.zeros((1, 8))), np.eye(8)[:3])
    latents = rng.normal(size=(400, 8)) @ np.diag([1, 5, 1, 3, 1, 1, 7, 1]) + 4.0
    found = axes(latents)
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
    _, _, reference = np.linalg.svd(latents - latents.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(np.sum(found * reference[:3], axis=1)), 1.0, atol=1e-9)
    assert (found[np.arange(3), np.abs(found).argmax(axis=1)] > 0).all()


def test_no_points_still_have_axes() -> None:
    answer = points(None, ("slow",), 16)
    assert (answer.names, answer.tags, np.shape(answer.axes)) == ([], ["slow"], (3, 16))
    assert nearest(None, np.zeros(16)) is None
