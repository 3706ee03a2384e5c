"""The embedded teacher: ships, is small, comes of YAMNet by reduced-rank regression, and predicts like it."""

from importlib.resources import files

import numpy as np
import pytest
import soundfile
import torch

from darktimbre import teachers
from darktimbre.notes.errors import UserError
from darktimbre.teachers import logmel
from darktimbre.teachers.compress import compress, reduced_rank
from darktimbre.teachers.embedded import HEAD_RANK, EmbeddedNetwork, EmbeddedTagger, save
from darktimbre.teachers.vocabulary import yamnet_labels
from darktimbre.teachers.yamnet import YamnetBody, YamnetTagger

SHIPPED = files("darktimbre.teachers").joinpath("data")


@pytest.fixture
def network() -> EmbeddedNetwork:
    """Random, with label scales that are not trivial."""
    torch.manual_seed(0)
    network = EmbeddedNetwork()
    network.fit_labels(3 * torch.randn(50, 521) - 5)
    return network.eval()


def test_ships_small_with_its_card():
    assert SHIPPED.joinpath("embedded.safetensors").is_file()
    assert len(SHIPPED.joinpath("embedded.safetensors").read_bytes()) <= 2_000_000
    card = SHIPPED.joinpath("embedded.md").read_text(encoding="utf-8")
    for word in ("correlation", "YAMNet", "Apache-2.0", "darktimbre train tagger"):
        assert word in card


def test_standardise_and_restore_are_inverses(network):
    logits = torch.randn(10, 521)
    torch.testing.assert_close(network.restore(network.standardise(logits)), logits, atol=1e-5, rtol=1e-5)
    teacher = 3 * torch.randn(400, 521) + torch.arange(521)
    network.fit_labels(teacher)
    standard = network.standardise(teacher)
    torch.testing.assert_close(standard.mean(0), torch.zeros(521), atol=1e-4, rtol=0)
    torch.testing.assert_close(standard.std(0), torch.ones(521), atol=1e-4, rtol=0)


def test_saved_tagger_answers_as_the_trained_network(network, tmp_path):
    """float16 file: the same logits but for rounding; several patches are averaged."""
    save(tmp_path / "embedded.safetensors", network, {"notes_seen": "0"})
    tagger = teachers.load("embedded", weights=tmp_path / "embedded.safetensors")
    waves = 0.1 * torch.randn(3, 16_000 + 2 * logmel.PATCH_HOP, generator=torch.Generator().manual_seed(1))
    patches = logmel.patches(waves)
    with torch.inference_mode():
        expected = network.restore(network(patches.flatten(0, 1))).view(3, 3, 521).mean(1)
    assert np.corrcoef(tagger.logits(waves).ravel(), expected.ravel())[0, 1] > 0.9999
    assert (tagger.sample_rate, tagger.labels) == (16_000, yamnet_labels())
    assert tagger.embed(waves).shape == (3, HEAD_RANK)


def test_reduced_rank_is_the_best_map_of_its_rank():
    """Exact where the truth has that rank; least squares at full rank; by Eckart and Young's error in between."""
    random = torch.Generator().manual_seed(2)
    x = torch.randn(500, 12, generator=random) @ torch.randn(12, 12, generator=random) + 3.0
    truth = torch.randn(12, 3, generator=random) @ torch.randn(3, 8, generator=random)
    nothing = torch.zeros(8, 12)
    inner, outer, bias = reduced_rank(x, x @ truth + 5.0, 3, prior=nothing, ridge=0.0)
    torch.testing.assert_close(x @ inner.T @ outer.T + bias, x @ truth + 5.0, atol=2e-3, rtol=1e-3)
    # Where the samples say nothing, the prior decides.
    inner, outer, _ = reduced_rank(x * 1e-6, torch.zeros(500, 8), 3, prior=truth.T, ridge=1e6)
    torch.testing.assert_close(inner.T @ outer.T, truth, atol=1e-3, rtol=1e-3)

    y = x @ torch.randn(12, 8, generator=random) + torch.randn(500, 8, generator=random)
    centred = (x - x.mean(0)).double().numpy()
    wanted = (y - y.mean(0)).double().numpy()
    fitted = centred @ np.linalg.lstsq(centred, wanted, rcond=None)[0]
    singular = np.linalg.svd(fitted, compute_uv=False)
    for rank in (2, 5, 8):
        inner, outer, bias = reduced_rank(x, y, rank, prior=nothing, ridge=0.0)
        error = float((y - (x @ inner.T @ outer.T + bias)).square().sum())
        assert error == pytest.approx(np.sum((wanted - fitted) ** 2) + np.sum(singular[rank:] ** 2), rel=1e-3)


def test_compression_keeps_yamnets_answers(shared):
    """From random sounds alone the narrow network already answers much like YAMNet on them; its stem is YAMNet's."""
    body = YamnetTagger.load(shared("teachers/yamnet.tflite")).network
    random = torch.Generator().manual_seed(3)
    time = torch.arange(logmel.PATCH) / logmel.RATE
    hertz = 100 * 20 ** torch.rand(160, 1, generator=random)
    waves = torch.sin(2 * torch.pi * hertz * time) * torch.exp(-time * 8 * torch.rand(160, 1, generator=random))
    waves = 0.3 * waves + 0.1 * torch.rand(160, 1, generator=random) * torch.randn(160, logmel.PATCH, generator=random)
    patches = logmel.patches(waves)[:, 0]
    network = compress(body, patches)
    with torch.inference_mode():
        torch.testing.assert_close(network.stem(patches[:4]), _stem(body, patches[:4]))
        answer, truth = network.restore(network(patches)), body(patches)
    assert np.corrcoef(answer.ravel(), truth.ravel())[0, 1] > 0.98


def _stem(body: YamnetBody, patches: torch.Tensor) -> torch.Tensor:
    maps = torch.relu(body.layer1(patches[:, None]))
    for number in range(2, 7):
        maps = body.get_submodule(f"layer{number}")(maps)
    return maps


def test_other_files_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"stem.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="is not the embedded teacher"):
        EmbeddedTagger.load(tmp_path / "other.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="can't be read"):
        EmbeddedTagger.load(tmp_path / "bad.safetensors")


def test_predicts_like_yamnet(shared):
    """On NSynth's real notes, which it was never trained on: the same sounds get the same attributes."""
    teacher, student = teachers.load("yamnet", weights=shared("teachers/yamnet.tflite")), teachers.load("embedded")
    paths = sorted(shared("sounds/nsynth-mini/audio").glob("*.wav"))
    waves = torch.from_numpy(np.stack([soundfile.read(path, dtype="float32", frames=16_000)[0] for path in paths]))
    truth, answer = teacher.logits(waves).numpy(), student.logits(waves).numpy()
    overall = np.corrcoef(truth.ravel(), answer.ravel())[0, 1]
    each = np.mean([np.corrcoef(truth[:, i], answer[:, i])[0, 1] for i in range(521)])
    print(f"\nembedded against YAMNet, {len(paths)} NSynth notes: {overall:.3f} over all, {each:.3f} mean per class")
    assert overall > 0.8
    assert each > 0.7
