"""An instrument with modulated stages, partials by number and 49 pitch classes, folded, exported and alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.bundle.tiny import NAMES, tiny_bundle
from tests.export.test_export_player import play, read, turned_down

from darktimbre.bundle.bundle import Bundle
from darktimbre.export.player import PlayerReport, export_player
from darktimbre.models.progressive import Generator
from darktimbre.synthesizer.synthesizer import Synthesizer

pytest.importorskip("onnxscript", reason="needs darktimbre[onnx]")
ort = pytest.importorskip("onnxruntime", reason="needs darktimbre[onnx]")

PITCHES = tuple(range(36, 85))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The tiny instrument with all of them; what starts at 0 is random here, so that it acts."""
    tiny = tiny_bundle()
    size = len(PITCHES) + len(NAMES)
    heads = tiny.gan.heads.model_copy(update={"pitch": len(PITCHES)})
    changed = {"pitches": PITCHES, "condition": size, "heads": heads, "modulate": True, "harmonics": 24}
    network = tiny.gan.model_copy(update=changed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        generator = Generator(network)
        for parameter in generator.parameters():
            if parameter.dim() == 1 or not parameter.any():
                torch.nn.init.normal_(parameter, std=0.2)
    attributes = replace(tiny.attributes, pitches=PITCHES)
    parts = {"network": network.model_dump(mode="json"), "attributes": attributes.to_json()}
    return Bundle({**tiny.config, **parts}, generator.state_dict())


@pytest.fixture(scope="module")
def player(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> PlayerReport:
    return export_player(Synthesizer(bundle), tmp_path_factory.mktemp("partials") / "player")


def some(instrument: Synthesizer) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents and conditions of the lowest, a middle and the highest pitch."""
    draw = np.random.default_rng(2)
    latent = draw.standard_normal((3, instrument.latent_size)).astype(np.float32)
    soft = draw.uniform(0, 1, (3, len(NAMES))).astype(np.float32)
    condition = instrument.attributes.condition([0, 20, len(PITCHES) - 1], soft)
    return torch.from_numpy(latent), torch.from_numpy(np.asarray(condition, np.float32))


def test_folded_and_exported_networks_are_the_one_that_was_trained(bundle: Bundle, player: PlayerReport) -> None:
    instrument = Synthesizer(bundle)
    latent, condition = some(instrument)
    with torch.inference_mode():
        plain, folded = bundle.generator()(latent, condition), instrument.network(latent, condition)
    torch.testing.assert_close(folded, plain, atol=2e-5, rtol=1e-4)
    session = ort.InferenceSession(str(player.network.path), providers=["CPUExecutionProvider"])
    picture, wave = session.run(["picture", "wave"], {"latent": latent.numpy(), "condition": condition.numpy()})
    assert np.abs(picture - plain.numpy()).max() < 3e-4 * plain.abs().max()
    sounds = instrument.waves(condition.numpy(), latent.numpy())
    assert np.abs(wave - sounds).max() < 1e-3 * np.abs(sounds).max()


@pytest.mark.parametrize("pitch", [PITCHES[0], 60, PITCHES[-1]])
def test_the_player_alone_gives_the_synthesizers_note(
    bundle: Bundle, player: PlayerReport, tmp_path: Path, pitch: int
) -> None:
    done = play(player.path, "trumpet=0.8", "--pitch", pitch, "--seed", 5, "--out", tmp_path / "new")
    assert done.returncode == 0, done.stderr.decode()
    _, found = read(tmp_path / "new" / "trumpet-0.wav")
    (expected,) = Synthesizer(bundle).render(pitch=pitch, attributes={"Trumpet": 0.8}, seed=5)
    assert np.abs(found - turned_down(expected)).max() < 1e-3 + 1 / 32767
