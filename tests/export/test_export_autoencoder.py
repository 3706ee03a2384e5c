"""Autoencoders with a learned inversion: latent → sound is one graph, near the synthesizer in all precisions."""

import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.bundle.tiny import LATENT, STYLES, tiny_autoencoder, tiny_inverter
from tests.conftest import Run

from darktimbre.audio.loudness import peak_dbfs
from darktimbre.export import sound
from darktimbre.export.plan import suggested
from darktimbre.export.player import PlayerReport, export_player
from darktimbre.export.precision import PRECISIONS, reduced
from darktimbre.export.program import export_program
from darktimbre.models.inversion import refined
from darktimbre.notes.errors import UserError
from darktimbre.representation import stft
from darktimbre.synthesizer.synthesizer import Synthesizer, edges

onnx = pytest.importorskip("onnx", reason="needs darktimbre[onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs darktimbre[onnx]")
pytest.importorskip("onnxscript", reason="needs darktimbre[onnx]")


@pytest.fixture(scope="module")
def coder() -> Synthesizer:
    """With the inversion network as it was trained: its folded form decides otherwise between bins of equal magnitude,
    which an untrained decoder's spectrograms, saturated, have many of."""
    instrument = Synthesizer(tiny_autoencoder(inverter=True))
    instrument.codec.inverter = sound.network_of(instrument.codec)
    return instrument


@pytest.fixture(scope="module")
def alone(coder: Synthesizer, tmp_path_factory: pytest.TempPathFactory) -> PlayerReport:
    return export_player(coder, tmp_path_factory.mktemp("player") / "coder")


# ----------------------------------------------------------------------------
# The transforms as real matrix products


@pytest.mark.parametrize("n_fft", [8, 96, 512, 2048])
def test_two_matrix_products_are_the_real_dft(n_fft: int) -> None:
    pieces = torch.randn(2, 3, n_fft, generator=torch.Generator().manual_seed(0))
    real, imag = sound.RealDFT(n_fft)(pieces)
    expected = np.fft.rfft(pieces.numpy().astype(np.float64))
    assert np.abs((real + 1j * imag).numpy() - expected).max() < 3e-6 * np.abs(expected).max()


@pytest.mark.parametrize("frames", [63, 64, 70])
def test_transforms_are_those_of_the_representation(frames: int) -> None:
    sizes = {"n_fft": 512, "hop": 64, "frames": frames, "samples": 4000}
    waves = torch.randn(3, 4000, generator=torch.Generator().manual_seed(1))
    real, imag = sound.STFT(**sizes)(waves)
    expected = stft.forward(waves, n_fft=512, hop=64, frames=frames)
    torch.testing.assert_close(torch.complex(real, imag), expected, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(sound.InverseSTFT(**sizes)(real, imag), waves, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("iterations", [0, 1, 2, 4])
def test_refinements_are_the_networks_own(iterations: int) -> None:
    config = tiny_inverter().network.model_copy(update={"refinements": iterations})
    made = torch.Generator().manual_seed(2)
    magnitude, phase = torch.rand(2, 257, 32, generator=made), 6.3 * torch.rand(2, 257, 32, generator=made)
    expected = refined(magnitude, phase, n_fft=512, hop=128, samples=4000, iterations=iterations)
    torch.testing.assert_close(sound.Refined(config)(magnitude, phase), expected, atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize("architecture", ["partials", "mcnn"])
def test_the_graph_of_an_inversion_is_the_codec_with_its_network(architecture: str) -> None:
    inverter = tiny_inverter(architecture=architecture)
    codec = tiny_autoencoder().codec(inverter=inverter.module)
    pictures = torch.from_numpy(np.random.default_rng(5).uniform(-1.3, 1.3, (5, *codec.shape)).astype(np.float32))
    pitch = torch.tensor([59.0, 60.25, 61.0, float("nan"), 40.0])
    with torch.inference_mode():
        expected = codec.decode(pictures, pitch) * torch.from_numpy(edges(codec.samples, codec.sample_rate))
        found = sound.LearnedInversion(codec)(pictures, pitch)
    assert (found - expected).abs().max() < 2e-4 * expected.abs().max()


# ----------------------------------------------------------------------------
# The file, the player, the program


def test_the_file_makes_sound_of_latents_in_batches_of_any_size(coder: Synthesizer, alone: PlayerReport) -> None:
    report = alone.network
    assert (report.outputs, report.why_no_wave) == (("picture", "wave"), None)
    session = onnxruntime.InferenceSession(str(report.path), providers=["CPUExecutionProvider"])
    for count in (1, 3):
        latent, condition = sound.example(coder, count)
        condition[0, :3] = 0  # no pitch: the network is handed NaN
        fed = {"latent": latent.numpy(), "condition": condition.numpy()}
        (found,) = session.run(["wave"], fed)
        expected = coder.waves(condition, latent)
        assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()
        np.testing.assert_allclose(peak_dbfs(found), -1.0, atol=1e-4)
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["darktimbre.teacher"]) == "styles"
    assert json.loads(properties["darktimbre.attributes"]) == list(STYLES)
    graph = onnx.load(report.path).graph
    assert {node.domain for node in graph.node} == {""}
    assert not {"STFT", "DFT", "Loop", "If"} & {node.op_type for node in graph.node}


def test_precisions_shorten_both_networks_and_no_transform(coder: Synthesizer, alone: PlayerReport) -> None:
    latent, condition = (part.numpy() for part in sound.example(coder, 3))
    sizes, errors, kept = [], [], {}
    expected = coder.waves(condition, latent)
    for name in PRECISIONS:
        model = reduced(onnx.load(alone.network.path), name)  # in the player's file the weights are whole
        content = model.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        (found,) = session.run(["wave"], {"latent": latent, "condition": condition})
        sizes.append(len(content))
        errors.append(np.abs(found - expected).max() / np.abs(expected).max())
        kept[name] = {one.name: one.raw_data for one in model.graph.initializer}
    assert sizes == sorted(sizes, reverse=True)
    assert errors[0] < 1e-3
    assert errors[0] < errors[1] < errors[2]
    both = ("network.dense.2.weight", "inversion.network.body.stem.weight")
    assert kept["float16"].keys() >= {f"{one}_half" for one in both}
    assert kept["int8"].keys() >= {f"{one}_whole" for one in both}
    transforms = [name for name in kept["float32"] if "refined" in name]
    assert len(transforms) > 8
    for name in transforms:
        assert kept["float32"][name] == kept["float16"][name] == kept["int8"][name]


def test_the_program_of_torch_is_the_synthesizer(coder: Synthesizer, tmp_path: Path) -> None:
    report = export_program(coder, tmp_path / "coder.pt2")
    assert report.outputs == ("picture", "wave")
    assert report.wave_error is not None
    assert report.wave_error < 1e-3 * float(np.abs(coder.render(60)).max())


def test_the_stand_alone_player_gives_the_synthesizers_notes(
    coder: Synthesizer, alone: PlayerReport, tmp_path: Path
) -> None:
    words = ("tremolo=1.5", "plucked=0.5", "--pitch", 60.5, "--latent", "0.3,-1.2,0.5", "--level", -7)
    words += ("--out", tmp_path / "new")
    done = _play(alone.path, *words)
    assert done.returncode == 0, done.stderr.decode()
    with wave.open(str(tmp_path / "new" / "tremolo-plucked-0.wav"), "rb") as file:
        found = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    with pytest.warns(UserWarning, match="styles mix linearly"):
        (expected,) = coder.render(
            60.5, {"tremolo": 1.5, "plucked": 0.5}, latent=np.float32([0.3, -1.2, 0.5]), level_db=-7
        )
    assert peak_dbfs(found) == pytest.approx(-7, abs=0.01)
    assert np.abs(found - expected).max() < 1e-3 + 1 / 32767


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("tremolo=4",), b"A value lies between 0 and 3."),
        (("tremolo", "--level", "3"), b"A level is the peak in dB of full scale: from -120 to 0."),
        (("tremolo", "--latent", "1,2"), f"latents have {LATENT} values, not 2".encode()),
    ],
)
def test_the_player_refuses_in_a_sentence(
    alone: PlayerReport, tmp_path: Path, words: tuple[str, ...], sentence: bytes
) -> None:
    done = _play(alone.path, *words, "--out", tmp_path / "none")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert not (tmp_path / "none").exists()


def test_without_a_learned_inversion_no_player_and_the_way_to_one_is_said(tmp_path: Path) -> None:
    bare = Synthesizer(tiny_autoencoder())
    with pytest.raises(UserError, match=r"cannot play alone.*phase-gradient.*--inversion learned"):
        export_player(bare, tmp_path / "out")
    assert not list(tmp_path.iterdir())
    assert "hold no phase" in (sound.why_not(bare.codec) or "")


def test_silent_notes_of_the_graph_stay_silent(coder: Synthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = sound.Sound(coder, with_sound=True)
    faint = torch.zeros(2, coder.samples)
    faint[1, 0] = 5e-4
    monkeypatch.setattr(sound.LearnedInversion, "forward", lambda *_: faint)
    assert not graph(*sound.example(coder, 2))[1].any()


# ----------------------------------------------------------------------------
# Samplers


def test_every_style_is_a_setting_of_its_own(coder: Synthesizer) -> None:
    patches = suggested(coder, seed=3)
    assert [patch.name for patch in patches] == ["Middle", *STYLES]
    assert [dict(patch.attributes) for patch in patches[1:]] == [{name: 1.0} for name in STYLES]
    together = Synthesizer(tiny_autoencoder(examples=[[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]]))
    assert suggested(together, seed=3) == patches  # also styles that go together in the training notes


def test_sampler_folders_hold_the_synthesizers_notes(run: Run, coder: Synthesizer, tmp_path: Path) -> None:
    bundle = tiny_autoencoder(inverter=True).save_pretrained(tmp_path / "coder")
    run("export", "sfz", bundle, tmp_path / "sfz", "--normalise", "none", "--no-loops", "--rate", 8000)
    text = next((tmp_path / "sfz").glob("*.sfz")).read_text()
    assert text.count("sw_last") >= len(STYLES) + 1
    run(
        "export",
        "decentsampler",
        bundle,
        tmp_path / "decent",
        "--set",
        "violins=1, tremolo=0.5",
        "--velocity-layers",
        2,
    )
    run("export", "wavs", bundle, tmp_path / "wavs", "--set", "plucked=1", "--inversion", "phase-gradient")
    manifest = json.loads((tmp_path / "wavs" / "manifest.json").read_text())
    assert manifest["weights_sha256"] == coder.bundle.digest


def _play(folder: Path, *words: object) -> subprocess.CompletedProcess[bytes]:
    hidden = "import runpy, sys\nfor name in ('darktimbre', 'torch', 'onnx', 'scipy'): sys.modules[name] = None\n"
    started = hidden + "sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", started, str(folder / "play.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=120)
