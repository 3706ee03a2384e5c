"""The embedded teacher: ships, is small, answers as the network that was trained, and hears like YAMNet."""

from importlib.resources import files

import numpy as np
import pytest
import soundfile
import torch

from darktimbre import teachers
from darktimbre.notes.errors import UserError
from darktimbre.teachers import logmel
from darktimbre.teachers.embedded import EmbeddedNetwork, EmbeddedTagger, save
from darktimbre.teachers.vocabulary import yamnet_labels

SHIPPED = files("darktimbre.teachers").joinpath("weights")


@pytest.fixture
def network() -> EmbeddedNetwork:
    """Random, with batch statistics and label scales that are not trivial."""
    torch.manual_seed(0)
    network = EmbeddedNetwork()
    network.fit_labels(3 * torch.randn(50, 521) - 5)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(8, 96, 64) * 2 - 3)
    return network.eval()


def test_ships_small_with_its_card():
    assert SHIPPED.joinpath("embedded.safetensors").is_file()
    assert len(SHIPPED.joinpath("embedded.safetensors").read_bytes()) <= 2_000_000
    card = SHIPPED.joinpath("embedded.md").read_text(encoding="utf-8")
    for word in ("correlation", "YAMNet", "Apache-2.0", "darktimbre train tagger"):
        assert word in card


def test_parameters_fit_the_budget(network):
    assert sum(p.numel() for p in network.parameters()) <= 950_000


def test_standardise_and_restore_are_inverses(network):
    logits = torch.randn(10, 521)
    torch.testing.assert_close(network.restore(network.standardise(logits)), logits, atol=1e-5, rtol=1e-5)
    teacher = 3 * torch.randn(400, 521) + torch.arange(521)
    network.fit_labels(teacher)
    standard = network.standardise(teacher)
    torch.testing.assert_close(standard.mean(0), torch.zeros(521), atol=1e-4, rtol=0)
    torch.testing.assert_close(standard.std(0), torch.ones(521), atol=1e-4, rtol=0)


def test_saved_tagger_answers_as_the_trained_network(network, tmp_path):
    """float16 file, folded batch norms: the same logits but for rounding; several patches are averaged."""
    save(tmp_path / "embedded.safetensors", network, {"notes_seen": "0"})
    tagger = teachers.load("embedded", weights=tmp_path / "embedded.safetensors")
    waves = 0.1 * torch.randn(3, 16_000 + 2 * logmel.PATCH_HOP, generator=torch.Generator().manual_seed(1))
    patches = logmel.patches(waves)
    with torch.inference_mode():
        expected = network.restore(network(patches.flatten(0, 1))).view(3, 3, 521).mean(1)
    assert np.corrcoef(tagger.logits(waves).ravel(), expected.ravel())[0, 1] > 0.9999
    assert (tagger.sample_rate, tagger.labels) == (16_000, yamnet_labels())
    assert tagger.embed(waves).shape == (3, 512)


def test_other_files_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"stem.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="other names or shapes"):
        EmbeddedTagger.load(tmp_path / "other.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="can't be read"):
        EmbeddedTagger.load(tmp_path / "bad.safetensors")


def test_hears_like_yamnet(shared):
    """On NSynth's real notes, which it was never trained on: the same sounds get the same attributes."""
    teacher, student = teachers.load("yamnet", weights=shared("teachers/yamnet.tflite")), teachers.load("embedded")
    paths = sorted(shared("sounds/nsynth-mini/audio").glob("*.wav"))
    waves = torch.from_numpy(np.stack([soundfile.read(path, dtype="float32", frames=16_000)[0] for path in paths]))
    truth, answer = teacher.logits(waves).numpy(), student.logits(waves).numpy()
    overall = np.corrcoef(truth.ravel(), answer.ravel())[0, 1]
    each = np.mean([np.corrcoef(truth[:, i], answer[:, i])[0, 1] for i in range(521)])
    print(
        f"\nembedded against YAMNet on {len(paths)} NSynth notes: {overall:.3f} over all logits, {each:.3f} mean per class"
    )
    assert overall > 0.8
    assert each > 0.3
