"""MusiCNN: front end against librosa, network against plain NumPy from the checkpoint's own variables, and patches."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from tests.teachers.tensor_bundles import musicnn_variables, musicnn_wheel

from darktimbre.extractors.extractors import EmbeddingExtractor
from darktimbre.extractors.musicnn import PATCH, RATE, MusicnnEmbedder, log_mel, mel_matrix, patches
from darktimbre.notes.errors import UserError
from darktimbre.teachers import weights
from darktimbre.teachers.musicnn_files import EPSILON

Variables = dict[str, NDArray]


def notes(count: int = 2, seconds: float = 1.0) -> NDArray[np.float32]:
    """Decaying harmonic tones with some noise."""
    random, time = np.random.default_rng(0), np.arange(int(RATE * seconds)) / RATE
    tones = [sum(np.sin(2 * np.pi * k * 220 * (n + 1) * time) / k for k in range(1, 6)) for n in range(count)]
    decayed = 0.3 * np.stack(tones) * np.exp(-2 * time)
    return (decayed + 0.01 * random.normal(size=(count, len(time)))).astype(np.float32)


@pytest.fixture(scope="module")
def variables() -> Variables:
    return musicnn_variables(3)


@pytest.fixture(scope="module")
def embedder(variables: Variables, tmp_path_factory: pytest.TempPathFactory) -> MusicnnEmbedder:
    folder = tmp_path_factory.mktemp("musicnn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DARKTIMBRE_HOME", str(folder / "home"))
        weights.add("musicnn", musicnn_wheel(folder / "musicnn.whl", variables))
        return MusicnnEmbedder.load()


def test_front_end_is_librosas():
    librosa = pytest.importorskip("librosa")
    assert np.allclose(mel_matrix().T, librosa.filters.mel(sr=RATE, n_fft=512, n_mels=96), rtol=1e-4, atol=1e-8)
    wave = notes(1)[0]
    power = librosa.feature.melspectrogram(
        y=wave, sr=RATE, n_fft=512, hop_length=256, n_mels=96, center=True, pad_mode="reflect"
    )
    assert np.allclose(log_mel(torch.from_numpy(wave)[None])[0].T, np.log10(10000 * power + 1), atol=1e-4)


def plain(mel: NDArray[np.float64], variables: Variables) -> dict[str, NDArray[np.float64]]:
    """(frame, 96) → features, in float64, by the operations of the published graph, maps last as in TensorFlow."""
    w = {name: np.asarray(one, np.float64) for name, one in variables.items()}

    def norm(x: NDArray, number: int) -> NDArray:
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        mean, variance, gamma, beta = (w[f"{name}/{k}"] for k in ("moving_mean", "moving_variance", "gamma", "beta"))
        return (x - mean) / np.sqrt(variance + EPSILON) * gamma + beta

    def convolved(x: NDArray, number: int, before: int, after: int) -> NDArray:
        name = f"conv2d_{number}" if number else "conv2d"
        kernel = w[f"{name}/kernel"][:, :, 0]  # (frames, features, maps)
        padded = np.pad(x, ((before, after), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2])
        out = np.tensordot(windows, kernel, axes=([2, 3], [0, 1])) + w[f"{name}/bias"]
        return norm(np.maximum(out, 0), number + 1)  # (frame, place, map)

    seen = norm(mel[..., None], 0)[..., 0]
    pads = [(3, 3), (3, 3), (63, 64), (31, 32), (15, 16)]
    front = np.concatenate([convolved(seen, n, *pad).max(axis=1) for n, pad in enumerate(pads)], axis=1)
    first = convolved(front, 5, 3, 3)[:, 0]
    second = convolved(first, 6, 3, 3)[:, 0] + first
    third = convolved(second, 7, 3, 3)[:, 0] + second
    every = np.concatenate([front, first, second, third], axis=1)
    pooled = norm(np.stack([every.max(axis=0), every.mean(axis=0)], axis=1).reshape(-1), 9)
    units = norm(np.maximum(pooled @ w["dense/kernel"] + w["dense/bias"], 0), 10)
    return {"pooled": pooled, "units": units, "tags": units @ w["dense_1/kernel"] + w["dense_1/bias"]}


def test_network_is_the_published_graph(embedder: MusicnnEmbedder, variables: Variables):
    mel = log_mel(torch.from_numpy(notes(1)))
    found = embedder.network(mel)
    for name, expected in plain(mel[0].double().numpy(), variables).items():
        actual = getattr(found, name)[0].numpy()
        assert np.abs(actual - expected).max() < 2e-4 * np.abs(expected).max(), name


def test_every_frame_is_in_a_patch():
    for length, count in ((1, 1), (PATCH, 1), (PATCH + 1, 2), (251, 2), (2 * PATCH + 1, 3)):
        parts = patches(torch.arange(length).view(1, length, 1))
        assert parts.shape == (1, count, min(length, PATCH), 1)
        assert set(parts.flatten().tolist()) == set(range(length))


def test_a_sound_does_not_depend_on_others_and_is_the_mean_of_its_patches(embedder: MusicnnEmbedder):
    waves = torch.from_numpy(notes(3, 4.0))
    alone, together = embedder.embed(waves[1:2]), embedder.embed(waves)
    assert together.shape == (3, 1506)
    assert torch.allclose(alone[0], together[1], rtol=1e-4, atol=1e-4)
    frames = log_mel(waves[1:2])
    ends = torch.cat([frames[:, :PATCH], frames[:, -PATCH:]])
    assert torch.allclose(embedder.network(ends).pooled.mean(0), alone[0], rtol=1e-4, atol=1e-4)


def test_as_an_extractor_at_another_rate(embedder: MusicnnEmbedder):
    waves = notes(2)
    found = EmbeddingExtractor(embedder).extract(np.repeat(waves, 2, axis=1), 2 * RATE)["embedding"]
    assert found.shape == (2, 1506)
    assert np.isfinite(found).all()


def test_it_is_not_loaded_without_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("DARKTIMBRE_HOME", str(tmp_path))
    with pytest.raises(UserError, match="weights fetch musicnn"):
        MusicnnEmbedder.load()
    (tmp_path / "other.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UserError, match=r"other\.safetensors"):
        MusicnnEmbedder.load(tmp_path / "other.safetensors")


def test_the_real_network_finds_guitars_and_voices(shared: Callable[[str], Path]):
    if weights.kept("musicnn") is None:
        pytest.skip("the weights of musicnn are not on this machine (darktimbre weights fetch musicnn)")
    files = sorted((shared("sounds/nsynth-mini") / "audio").glob("*.wav"))
    network = MusicnnEmbedder.load().network
    for tag, column in (("guitar", 0), ("vocal", 13)):  # of MagnaTagATune's fifty
        odds = {True: [], False: []}
        for file in files:
            wave = torch.from_numpy(soundfile.read(file, dtype="float32")[0])
            tags = network(patches(log_mel(wave[None]))[0]).tags.mean(0)
            odds[file.name.startswith(tag)].append(float(tags[column]))
        assert np.mean(odds[True]) > np.mean(odds[False]) + 1, tag
