"""VGGish: a generated checkpoint of the port's layout, loaded strictly; network against plain numpy; no teacher."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.training.tiny import make_corpus

from darktimbre import teachers
from darktimbre.notes.errors import UserError
from darktimbre.teachers import logmel, weights
from darktimbre.teachers.vggish import Vggish, VggishEmbedder

LAYOUT: dict[str, tuple[int, ...]] = {  # of vggish-10086976.pth, written down by hand
    "features.0.weight": (64, 1, 3, 3),
    "features.3.weight": (128, 64, 3, 3),
    "features.6.weight": (256, 128, 3, 3),
    "features.8.weight": (256, 256, 3, 3),
    "features.11.weight": (512, 256, 3, 3),
    "features.13.weight": (512, 512, 3, 3),
    "embeddings.0.weight": (4096, 12288),
    "embeddings.2.weight": (4096, 4096),
    "embeddings.4.weight": (128, 4096),
}
LAYOUT |= {name.replace("weight", "bias"): shape[:1] for name, shape in LAYOUT.items()}
SMALL_PLAN, SMALL_HIDDEN = (2, 0, 3, 0, 4, 5, 0, 6, 7, 0), 9


def small() -> Vggish:
    """The same network, narrow."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return Vggish(SMALL_PLAN, SMALL_HIDDEN)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the true sizes that takes little room: each tensor is one number, stretched."""
    path = tmp_path_factory.mktemp("vggish") / "vggish-10086976.pth"
    torch.save({name: torch.tensor(0.01).expand(shape) for name, shape in LAYOUT.items()}, path)
    return path


def test_layout_is_the_ports():
    with torch.device("meta"):
        assert {name: tuple(tensor.shape) for name, tensor in Vggish().state_dict().items()} == LAYOUT


def plain(patch: NDArray[np.float64], network: Vggish) -> NDArray[np.float64]:
    """(96, 64) → (128,), from nothing but the tensors, in float64: frames × bands × maps as TensorFlow has them."""
    w = {name: tensor.detach().numpy().astype(np.float64) for name, tensor in network.state_dict().items()}
    maps, place = patch[..., None], 0
    for width in SMALL_PLAN:
        if width:
            kernel = w[f"features.{place}.weight"]
            rows, columns = maps.shape[:2]
            padded = np.pad(maps, ((1, 1), (1, 1), (0, 0)))
            parts = [padded[i : i + rows, j : j + columns] @ kernel[:, :, i, j].T for i in range(3) for j in range(3)]
            maps = np.maximum(np.asarray(sum(parts)) + w[f"features.{place}.bias"], 0.0)
            place += 2
        else:
            rows, columns, count = maps.shape
            maps = maps.reshape(rows // 2, 2, columns // 2, 2, count).max((1, 3))
            place += 1
    seen = maps.reshape(-1)  # (6, 4, maps), maps fastest
    for layer in (0, 2, 4):
        seen = w[f"embeddings.{layer}.weight"] @ seen + w[f"embeddings.{layer}.bias"]
        seen = np.maximum(seen, 0.0) if layer < 4 else seen
    return np.asarray(seen)


def test_network_against_plain_numpy():
    network = small()
    patches = torch.randn(2, 96, 64, generator=torch.Generator().manual_seed(1))
    expected = np.stack([plain(patch.numpy().astype(np.float64), network) for patch in patches])
    found = VggishEmbedder(network, "0" * 64).network(patches).numpy()
    assert np.abs(found - expected).max() < 1e-5
    assert expected.min() < 0  # before any last ReLU


def test_front_end_is_the_official_one():
    """log(mel + 0.01) of 96 frames, framed and windowed by hand; YAMNet's differs by the offset alone."""
    wave = 0.1 * torch.randn(1, 16_000, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([wave[0, 160 * t : 160 * t + 400].numpy() * window for t in range(96)])
    expected = np.log(np.abs(np.fft.rfft(frames, 512)) @ logmel.mel_matrix() + 0.01)
    found = logmel.patches(wave, offset=0.01, hop=96 * 160)
    assert found.shape == (1, 1, 96, 64)
    assert np.abs(found[0, 0].numpy() - expected).max() < 1e-6
    assert (logmel.patches(wave).exp() - found.exp() + 0.009).abs().max() < 1e-6


def test_a_long_sound_is_the_mean_of_its_patches():
    """Patches do not overlap: two of 0.96 s are two embeddings, whatever else is in the batch."""
    embedder = VggishEmbedder(small(), "0" * 64)
    waves = torch.randn(3, 2 * 15_360 + 240, generator=torch.Generator().manual_seed(4)) * 0.1
    whole = embedder.embed(waves)
    assert whole.shape == (3, 128)
    halves = [embedder.embed(waves[:, first : first + 15_600]) for first in (0, 15_360)]
    torch.testing.assert_close(whole, (halves[0] + halves[1]) / 2, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(embedder.embed(waves[1:2]), whole[1:2], atol=1e-6, rtol=1e-5)


def test_it_loads_by_name_and_is_an_embedder_but_no_tagger(checkpoint):
    with pytest.raises(UserError, match=r"get vggish-10086976\.pth .* `darktimbre weights add vggish FILE`"):
        teachers.load_embedder("vggish")
    weights.add("vggish", checkpoint)
    assert weights.verify() == {"vggish": "ok"}
    embedder = teachers.load_embedder("vggish")
    assert isinstance(embedder, teachers.Embedder)
    assert not isinstance(embedder, teachers.Tagger)
    assert (embedder.name, embedder.sample_rate) == ("vggish", 16_000)
    assert embedder.digest == teachers.load_embedder("vggish", weights=checkpoint).digest
    assert isinstance(teachers.load_embedder("embedded"), teachers.Tagger)


def test_it_cannot_be_a_teacher(checkpoint, run, tmp_path):
    with pytest.raises(UserError, match=r"VGGish has no labels.*cannot be a teacher; choose one of yamnet, cnn14"):
        teachers.load("vggish", weights=checkpoint)
    corpus = make_corpus(tmp_path / "corpus", notes=3)
    refused = run("tag", corpus.path, "--teacher", "vggish", "--weights", checkpoint, status=2)
    assert "VGGish has no labels" in refused
    assert not (corpus.path / "tags" / "vggish").exists()


def test_it_is_never_fetched():
    with pytest.raises(UserError, match=r"not fetched .* weights add vggish FILE"):
        weights.fetch("vggish")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.pop("embeddings.4.bias"), "1 tensors are missing, first embeddings.4.bias"),
        (lambda w: w.update({"fc.weight": torch.zeros(1)}), "1 tensors too many, first fc.weight"),
        (lambda w: w.update({"features.0.bias": torch.zeros(3)}), r"features.0.bias is \(3,\) instead of \(64,\)"),
        (lambda w: w.update({"features.0.bias": torch.full((64,), torch.nan)}), "features.0.bias holds values"),
        (lambda w: w.update({"notes": "text"}), "no dictionary of tensors"),
    ],
)
def test_other_files_are_refused(tmp_path, change, sentence):
    tensors = {name: torch.tensor(0.01).expand(shape) for name, shape in LAYOUT.items()}
    change(tensors)
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(UserError, match=sentence):
        weights.add("vggish", tmp_path / "other.pth")
