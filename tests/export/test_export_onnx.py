"""The ONNX file plays alone and the same: steps against independent references, the whole in onnxruntime."""

import builtins
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.bundle.tiny import NAMES, PITCHES

from darktimbre.export import sound
from darktimbre.export.onnx import NetworkReport, export_onnx
from darktimbre.export.player import PlayerReport
from darktimbre.notes.errors import UserError
from darktimbre.representation.codec import codec_from_config
from darktimbre.representation.stft import overlap_add
from darktimbre.synthesizer.synthesizer import Synthesizer, edges

onnx = pytest.importorskip("onnx", reason="needs darktimbre[onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs darktimbre[onnx]")
pytest.importorskip("onnxscript", reason="needs darktimbre[onnx]")

PLAIN = {"kind": "if", "sample_rate": 8000, "samples": 2000, "n_fft": 512, "hop": 128, "frames": 16}


@pytest.mark.parametrize("n_fft", [8, 96, 512, 2048])
def test_two_matrix_products_are_the_inverse_real_dft(n_fft: int) -> None:
    torch.manual_seed(0)
    spectrum = torch.complex(torch.randn(2, 3, n_fft // 2 + 1), torch.randn(2, 3, n_fft // 2 + 1))
    spectrum[..., 0], spectrum[..., -1] = spectrum[..., 0].real, spectrum[..., -1].real
    found = sound.InverseRealDFT(n_fft)(spectrum.real, spectrum.imag)
    expected = np.fft.irfft(spectrum.numpy().astype(np.complex128))
    assert np.abs(found.numpy() - expected).max() < 3e-6 * np.abs(expected).max()


def test_padded_blocks_summed_are_the_overlap_add() -> None:
    pieces = torch.randn(3, 7, 32)
    torch.testing.assert_close(sound.overlap_add(pieces, 8), overlap_add(pieces, 8))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"centred": True},
        {"centred": True, "coherence": 1},
        {"drop_dc": False},
        {"frames": 20},
        {"hop": 64, "frames": None},
    ],
    ids=str,
)
def test_every_phase_convention_is_inverted_as_by_the_codec(settings: dict[str, Any]) -> None:
    codec = codec_from_config({**PLAIN, **settings})
    pictures = torch.from_numpy(np.random.default_rng(5).uniform(-1.3, 1.3, (5, *codec.shape)).astype(np.float32))
    expected = codec.decode(pictures) * torch.from_numpy(edges(codec.samples, codec.sample_rate))
    found = sound.Inversion(codec)(pictures)
    assert (found - expected).abs().max() < 2e-5 * expected.abs().max()


def test_what_is_found_by_iteration_is_left_out_with_the_reason() -> None:
    for settings, words in (
        ({"kind": "logmag"}, r"\(griffin-lim\)"),
        ({"kind": "mel-if", "mel_bands": 40}, "iteration"),
    ):
        codec = codec_from_config({**PLAIN, **settings})
        assert re.search(words, sound.why_not(codec) or "")
        with pytest.raises(ValueError, match=words):
            sound.Inversion(codec)
    assert sound.why_not(codec_from_config(PLAIN)) is None


@pytest.fixture(scope="module")
def report(tiny_player: PlayerReport) -> NetworkReport:
    return tiny_player.network


@pytest.fixture(scope="module")
def session(report: NetworkReport) -> Any:
    return onnxruntime.InferenceSession(str(report.path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("batch", [1, 5])
def test_onnxruntime_gives_the_synthesizers_pictures_and_waves(tiny: Synthesizer, session: Any, batch: int) -> None:
    """Random latents and conditions, also far from training; errors relative to the greatest value."""
    draw = np.random.default_rng(batch)
    latent = draw.standard_normal((batch, tiny.latent_size)).astype(np.float32)
    condition = draw.uniform(0, 1, (batch, tiny.attributes.size)).astype(np.float32)
    condition[:, : len(PITCHES)] = np.eye(3)[draw.integers(3, size=batch)]
    picture, wave = session.run(["picture", "wave"], {"latent": latent, "condition": condition})
    with torch.inference_mode():
        expected = tiny.network(torch.from_numpy(latent), torch.from_numpy(condition)).numpy()
    assert picture.shape == (batch, *tiny.codec.shape)
    assert np.abs(picture - expected).max() < 3e-4 * np.abs(expected).max()
    sounds = tiny.waves(condition, latent)
    assert np.abs(wave - sounds).max() < 1e-3 * np.abs(sounds).max()


def test_the_report_has_the_errors(report: NetworkReport) -> None:
    assert report.outputs == ("picture", "wave")
    assert report.why_no_wave is None
    assert report.bytes == report.path.stat().st_size
    assert report.picture_error is not None
    assert 0 < report.picture_error < 1e-3
    assert report.wave_error is not None


def test_the_file_stands_alone(tiny: Synthesizer, report: NetworkReport) -> None:
    model = onnx.load(report.path, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert not any(one.external_data for one in model.graph.initializer)
    assert [one.name for one in model.graph.input] == ["latent", "condition"]
    properties = {one.key: one.value for one in model.metadata_props}
    assert properties["darktimbre.digest"] == tiny.bundle.digest
    assert json.loads(properties["darktimbre.attributes"]) == list(NAMES)
    assert json.loads(properties["darktimbre.pitches"]) == list(PITCHES)
    assert json.loads(properties["darktimbre.baseline"]) == [0.1, 0.2, 0.3]
    assert json.loads(properties["darktimbre.sample_rate"]) == 8000
    assert codec_from_config(json.loads(properties["darktimbre.codec"])).shape == tiny.codec.shape


def test_nothing_of_this_machine_is_in_the_file(report: NetworkReport) -> None:
    content = report.path.read_bytes()
    assert str(Path(sound.__file__).parent).encode() not in content
    assert b".py" not in content


def test_a_missing_package_is_named_with_the_remedy(
    tiny: Synthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "onnxscript":
            raise ImportError("No module named 'onnxscript'", name="onnxscript")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"onnxscript: install it with `pip install 'darktimbre\[onnx\]'`"):
        export_onnx(tiny, tmp_path / "none.onnx")
    assert not list(tmp_path.iterdir())
