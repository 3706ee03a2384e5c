"""Every autoencoder's recipe, shrunk, runs sounds → corpus → steps → checkpoint → resume → bundle → render."""

import numpy as np
import pytest
import torch
from tests.recipes.shrunk import shrunk, trained_whole_and_in_parts
from tests.training.styled import make_styled
from tests.training.tiny import run

from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.inverter import InverterFolder, inversion_config
from darktimbre.notes.errors import UserError
from darktimbre.representation.codec import codec_from_config
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training import checkpoint
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.recipe import load_recipe, recipe_names
from darktimbre.training.tasks.autoencoder import AutoencoderTask, first_inverter

NAMES = [name for name in recipe_names() if load_recipe(name).task == "autoencoder"]
SCRATCH = [name for name in NAMES if load_recipe(name).init == "scratch"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_styled(tmp_path_factory.mktemp("corpora") / "styled", 16, rate=16_000, samples=32_000)


@pytest.mark.parametrize("name", SCRATCH)
def test_recipe_runs_resumes_and_ends_in_an_instrument_that_encodes_and_plays(name, corpus, tmp_path):
    bundle = Bundle.from_pretrained(trained_whole_and_in_parts(name, corpus.path, tmp_path))
    condition = shrunk(name).autoencoder.condition
    assert bundle.attributes.names == (("bright", "dark", "short") if condition.style else ())
    assert bool(bundle.attributes.pitches) == condition.note
    instrument = Synthesizer(bundle)
    given = {"dark": 0.5, "short": 1.2} if condition.style else {}
    sound = instrument.render(pitch=60, attributes=given, seed=1)
    assert sound.shape == (1, 32_000)
    assert np.isfinite(sound).all()
    rows = corpus.rows("train")
    waves = corpus.waves(rows)
    encoding = instrument.encode(waves)
    assert bundle.encoded is not None
    np.testing.assert_allclose(encoding.latent, bundle.encoded.latent, atol=2e-3)
    np.testing.assert_allclose(encoding.level_db, bundle.encoded.level_db, atol=0.01)
    assert bundle.encoded.names[0] == "bright short"
    assert bundle.encoded.names[3] == str(corpus.column("id")[rows[3]])  # it has no style


def test_latents_in_the_bundle_are_those_of_notes_at_one_level(corpus, tmp_path):
    bundle = Bundle.from_pretrained(trained_whole_and_in_parts("wae-class-prior", corpus.path, tmp_path))
    waves = torch.from_numpy(corpus.waves(corpus.rows("train")[:2]))
    level = waves / waves.abs().amax(dim=1, keepdim=True) * 10 ** (-1 / 20)
    with torch.no_grad():
        latent = bundle.encoder_network()(codec_from_config(bundle.config["codec"]).encode(level))
    assert bundle.encoded is not None
    np.testing.assert_allclose(latent.numpy(), bundle.encoded.latent[:2], atol=2e-3)


# ----------------------------------------------------------------------------
# From a trained bundle on, through an inversion network


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """The bundle of a shrunk run, and an inversion network for its codec."""
    folder = tmp_path_factory.mktemp("trained")
    run(shrunk("wae-class-prior"), corpus.path, folder / "run")
    bundle = folder / "run" / "bundle"
    sizes = {"width": 8, "blocks": 1, "expansion": 1, "refinements": 0}
    config = inversion_config(Bundle.from_pretrained(bundle).codec().config, **sizes)
    InverterFolder.untrained(config).save_pretrained(folder / "inverter")
    return bundle, folder / "inverter"


def tuned(name, trained, **changes):
    recipe = shrunk(name)
    settings = recipe.autoencoder
    sound = settings.sound.model_copy(update={"inverter": trained[1] and str(trained[1])})
    update = {"init": str(trained[0]), "autoencoder": settings.model_copy(update={"sound": sound})}
    return recipe.model_copy(update=update | changes)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SCRATCH])
def test_a_decoder_is_tuned_through_an_inverter_and_resumes(name, corpus, trained, tmp_path):
    recipe = tuned(name, trained)
    run(recipe, corpus.path, tmp_path / "whole")
    assert run(recipe, corpus.path, tmp_path / "parts", minutes=0.0).reason == "time"
    run(recipe, corpus.path, tmp_path / "parts", resume=True)
    states = [checkpoint.listing(tmp_path / one)[-1] / checkpoint.TENSORS for one in ("whole", "parts")]
    assert states[0].read_bytes() == states[1].read_bytes()
    before, after = Bundle.from_pretrained(trained[0]), Bundle.from_pretrained(tmp_path / "whole" / "bundle")
    inverter = InverterFolder.from_pretrained(trained[1])
    assert all(torch.equal(after.encoder[name], weight) for name, weight in before.encoder.items())
    assert before.digest != after.digest
    same = all(torch.equal(after.inverter[name], weight) for name, weight in inverter.weights.items())
    assert same == (not recipe.autoencoder.sound.end_to_end)
    np.testing.assert_allclose(after.encoded.latent, before.encoded.latent, atol=1e-5)
    assert np.isfinite(Synthesizer(after).render(pitch=60, seed=1)).all()


def test_training_goes_on_with_the_bundles_own_inverter_unless_another_is_named(corpus, trained, tmp_path):
    folder = InverterFolder.from_pretrained(trained[1])
    own = InverterFolder.untrained(folder.network, seed=5)
    bundle = Bundle.from_pretrained(trained[0]).joined(own).save_pretrained(tmp_path / "joined")

    def first(name, named):
        recipe = tuned(name, (bundle, trained[1]))
        sound = recipe.autoencoder.sound.model_copy(update={"inverter": named})
        recipe = recipe.model_copy(update={"autoencoder": recipe.autoencoder.model_copy(update={"sound": sound})})
        task = AutoencoderTask(AutoencoderTask.make_plan(recipe, corpus), corpus, DistributedContext())
        task.initialise()
        return task.networks.inverter.state_dict()

    for name in ("wae-finetune", "wae-end-to-end"):
        assert load_recipe(name).autoencoder.sound.inverter is None
        for named, wanted in ((None, own), (str(trained[1]), folder)):
            found = first(name, named)
            assert found.keys() == wanted.weights.keys()
            assert all(torch.equal(found[key], weight) for key, weight in wanted.weights.items())
    without = first_inverter(AutoencoderTask.make_plan(tuned("wae-finetune", (trained[0], None)), corpus))
    assert without.digest == InverterFolder.from_pretrained("inverter").digest


def test_what_does_not_fit_the_bundle_is_refused(corpus, trained, tmp_path):
    other = make_styled(tmp_path / "other", 16, (("plucked",), ("bowed",)), rate=16_000, samples=32_000)
    recipe = tuned("wae-finetune", trained)
    with pytest.raises(UserError, match=r"follows the styles bright, dark, short.*has bowed, plucked"):
        run(recipe, other.path, tmp_path / "a")
    wider = recipe.network.model_copy(update={"latent": 8})
    with pytest.raises(UserError, match=r"its network differs \(latent 3, not 8\)"):
        run(tuned("wae-finetune", trained, network=wider), corpus.path, tmp_path / "b")
    with pytest.raises(UserError, match="name one with --init"):
        run(tuned("wae-finetune", trained, init="auto"), corpus.path, tmp_path / "c")
    with pytest.raises(UserError, match="name its bundle with --init"):
        AutoencoderTask.make_plan(tuned("wae-finetune", trained, init="scratch"), corpus)
