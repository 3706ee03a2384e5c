"""The task `energy`: its losses are those of the definitions, and what it makes says what was in them."""

import math

import pytest
import torch
from tests.training.tiny import RATE, make_corpus, run, tiny_recipe, warm_recipe

from darktimbre.bundle.bundle import Bundle
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.errors import UserError
from darktimbre.objectives import energy
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.recipe import Recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks import teacher_in_loss
from darktimbre.training.tasks.energy import EnergyTask, condition_codes, shortened
from darktimbre.training.tasks.gan import GanTask
from darktimbre.training.tasks.teacher_in_loss import Smoothing, TeacherInLoss, TeacherTerms, smoothed


def energy_recipe(**changes) -> Recipe:
    """The network of `warm_recipe`."""
    network = {**warm_recipe().network.model_dump(mode="json"), **changes.pop("network", {})}
    small = {"task": "energy", "network": network, "schedule": [{"notes": 40, "batch": 4}]}
    return tiny_recipe(**{**small, "distance": {"windows": [32, 64]}, **changes})


def task_on(path, recipe: Recipe) -> EnergyTask:
    corpus = Corpus.open(path)
    return EnergyTask(EnergyTask.make_plan(recipe, corpus), corpus, DistributedContext())


def test_losses_are_the_energy_scores_of_two_samples(tiny_corpus):
    recipe = energy_recipe()
    task, state = task_on(tiny_corpus, recipe), Schedule(recipe).at(8)
    generator, codec = task.networks["generator"], task.codec
    index = task.sampler.rows(8, 4)
    waves, condition = task.dataset.waves(index), task.dataset.condition(index)
    with torch.no_grad():
        first, second = (generator(task.latent(f"{one} latent", state), condition) for one in ("critic", "generator"))
        sounds = [codec.decode(made) * task.edges for made in (first, second)]
        wanted = {
            "patches": [energy.patches(one[:, 0]) for one in (first, second, codec.encode(waves))],
            "spectra 32": [energy.log_spectra(one, window=32) for one in (*sounds, waves)],
        }
    losses = task.step(state)
    assert set(losses) == {"patches", "columns", "rows", "modulations", "frequencies", "spectra 32", "spectra 64"}
    for name, (one, other, real) in wanted.items():
        score = energy.energy_score(first=one, second=other, real=real) / task.units[name]
        assert losses[name].item() == pytest.approx(score.item(), rel=1e-4)


def test_distances_are_in_units_of_those_of_notes(tiny_corpus):
    task = task_on(tiny_corpus, energy_recipe())
    waves = task.dataset.waves(torch.arange(30).numpy())
    levels = energy.columns(task.codec.encode(waves)[:, 0])
    apart = energy.distance(levels, levels.roll(15, 0)).mean()
    assert task.units["columns"] == pytest.approx(apart.item(), rel=1e-5)


def test_it_learns_and_its_samples_differ(tiny_corpus):
    recipe = energy_recipe(
        schedule=[{"notes": 1600, "batch": 8}], optimiser={"lr": 0.01, "betas": [0.9, 0.99]}, precision="fp32"
    )
    task, schedule = task_on(tiny_corpus, recipe), Schedule(recipe)
    scores = [float(task.step(schedule.at(seen))["patches"].detach()) for seen in range(0, 1600, 8)]
    assert sum(scores[-10:]) < 0.5 * sum(scores[:10])
    condition = task.dataset.condition(torch.arange(1).numpy()).repeat(16, 1)
    with torch.no_grad():
        made = task.networks["generator"](torch.randn(16, 4), condition)[:, 0]
    assert energy.distance(energy.columns(made), energy.columns(made.roll(1, 0))).mean() > 0.1 * task.units["columns"]


def test_a_kind_of_weight_0_is_not_computed(tiny_corpus, monkeypatch):
    recipe = energy_recipe()
    recipe = recipe.model_copy(update={"distance": recipe.distance.model_copy(update={"spectra": 0.0})})
    task = task_on(tiny_corpus, recipe)
    monkeypatch.setattr(type(task.codec), "decode", None)  # nothing looks at the sound
    assert set(task.step(Schedule(recipe).at(0))) == {"patches", "columns", "rows", "modulations", "frequencies"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy": 0.0}, "nothing to train by"),
        ({"network": {"grow": True}}, "set network.grow to false"),
        ({"network": {"pac": 2}}, "no discriminator"),
        ({"schedule": [{"notes": 8, "batch": 4, "scale": 2}]}, "does not use scale"),
        ({"teacher": {}, "data": {"attributes": 0}}, "leave out `teacher`"),
    ],
)
def test_recipes_that_mean_nothing_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        energy_recipe(**changes)


# ----------------------------------------------------------------------------
# An encoder


def encoding_recipe(**changes) -> Recipe:
    return energy_recipe(encoder={}, **changes)


@pytest.mark.parametrize("term", ["reconstruction", "independence"])
def test_an_encoders_term_of_weight_0_is_measured_and_not_trained_by(tiny_corpus, term):
    recipe = energy_recipe(encoder={term: 0.0})
    task = task_on(tiny_corpus, recipe)
    found = task.step(Schedule(recipe).at(0))
    assert torch.isfinite(found[term])
    assert term not in recipe.losses


def test_bundle_encodes_and_training_goes_on_from_it(tiny_corpus, tmp_path):
    outcome = run(encoding_recipe(), tiny_corpus, tmp_path / "first")
    bundle = Bundle.from_pretrained(outcome.bundle)
    assert bundle.config["provenance"]["losses"]["independence"] == 1.0
    assert "teacher_in_loss" not in bundle.config["provenance"]
    waves = Corpus.open(tiny_corpus).waves([0, 1])
    with torch.no_grad():
        latent = bundle.encoder_network()(bundle.codec().encode(torch.from_numpy(waves)))
    instrument = Synthesizer(bundle)
    torch.testing.assert_close(torch.from_numpy(instrument.encode(waves).latent), latent, atol=1e-4, rtol=1e-4)
    said: list[str] = []
    again = encoding_recipe(init=str(outcome.bundle))
    task = task_on(tiny_corpus, again)
    task.initialise()
    for name, weights in bundle.encoder_network().state_dict().items():
        assert torch.equal(task.networks["encoder"].state_dict()[name], weights)
    assert run(again, tiny_corpus, tmp_path / "second", said).reason == "done"
    assert not any("anew" in sentence for sentence in said)


def test_encoder_starts_as_the_mean_of_the_discriminators_posterior(tiny_corpus, tmp_path):
    outcome = run(warm_recipe(), tiny_corpus, tmp_path / "gan")
    critic = Bundle.from_pretrained(outcome.bundle, discriminator=True).critic()
    assert critic is not None
    task = task_on(tiny_corpus, encoding_recipe(init=str(outcome.bundle)))
    task.initialise()
    pictures = torch.randn(4, *task.codec.shape)
    critic.base.weight.data[:, -1] = 0.0  # the minibatch deviation, which an encoder does not see
    with torch.no_grad():
        torch.testing.assert_close(task.networks["encoder"](pictures), critic(pictures).posterior[:, :4])


def test_condition_codes_are_uncorrelated_and_say_which_condition():
    conditions = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)) @ torch.randn(3, 20)
    codes = condition_codes(conditions)
    assert codes.shape == (50, 3)
    torch.testing.assert_close(codes.T @ codes / 50, torch.eye(3), atol=1e-4, rtol=0.0)
    together = torch.cat([codes, torch.ones(50, 1)], dim=1)
    fitted = together @ torch.linalg.lstsq(together, conditions).solution
    torch.testing.assert_close(fitted, conditions, atol=1e-3, rtol=1e-3)


# ----------------------------------------------------------------------------
# A teacher


def test_smoothing_shifts_amplifies_and_tilts():
    time, half = torch.arange(1600) / 16_000, torch.full((1, 3), 0.5)
    wave, silence = torch.sin(2 * math.pi * 2000 * time)[None], torch.zeros(1, 1600)
    plain = Smoothing(noise_db=None)
    torch.testing.assert_close(smoothed(wave, half, silence, plain, 16_000), wave, atol=1e-5, rtol=0.0)
    later = smoothed(wave, torch.tensor([[1.0, 0.5, 0.5]]), silence, plain, 16_000)  # 10 ms
    torch.testing.assert_close(later[:, 160:], wave[:, :-160], atol=1e-4, rtol=0.0)
    torch.testing.assert_close(later[:, :150], torch.zeros(1, 150), atol=0.05, rtol=0.0)
    louder = smoothed(wave, torch.tensor([[0.5, 1.0, 0.5]]), silence, plain, 16_000)
    torch.testing.assert_close(louder, wave * 10 ** (6 / 20), atol=1e-4, rtol=0.0)
    tilted = smoothed(wave, torch.tensor([[0.5, 0.5, 0.0]]), silence, plain, 16_000)  # 2 kHz: an octave above 1 kHz
    assert tilted[:, 400:1200].std().item() == pytest.approx(wave.std().item() * 10 ** (-2 / 20), rel=0.01)
    noisy = smoothed(silence, half, torch.ones(1, 1600), Smoothing(noise_db=-40.0), 16_000)
    torch.testing.assert_close(noisy, torch.full((1, 1600), 0.01))


class Network(torch.nn.Module):
    """Stands for a teacher's: its logits are linear in the mean of the patches' bands."""

    def embed(self, patches: torch.Tensor) -> torch.Tensor:
        """(patch, 96, 64) → (patch, 64)."""
        return patches.mean(1)


class FakeTagger(teacher_in_loss.PatchTagger[Network]):
    """A teacher of three labels."""

    name, labels = "yamnet", ("Bell", "Drum", "Flute")

    def logits_of(self, embedding: torch.Tensor) -> torch.Tensor:
        return torch.stack([embedding[:, :20].mean(1), embedding[:, 20:40].mean(1), embedding[:, 40:].mean(1)], 1)


def test_teachers_term_is_hubers_error_of_both_samples(tmp_path, monkeypatch):
    corpus = make_corpus(tmp_path / "corpus", rate=16_000)
    monkeypatch.setattr(teacher_in_loss.teachers, "load", lambda name, device: FakeTagger(Network(), "e" * 64))
    data = {**tiny_recipe().data.model_dump(mode="json"), "seconds": 248 / 16_000}
    terms = {"smoothing": {"shift_ms": 0, "gain_db": 0, "tilt_db": 0, "noise_db": None}, "labels": 0.5}
    recipe = energy_recipe(data=data, teacher=terms)
    task, state = task_on(corpus.path, recipe), Schedule(recipe).at(0)
    index = task.sampler.rows(0, 4)
    waves, condition = task.dataset.waves(index), task.dataset.condition(index)
    tagger, errors = FakeTagger(Network(), "e" * 64), []
    with torch.no_grad():
        for one in ("critic", "generator"):
            made = task.networks["generator"](task.latent(f"{one} latent", state), condition)
            apart = (tagger.logits(task.codec.decode(made) * task.edges) - tagger.logits(waves)) / task.teacher.spread
            errors.append(torch.where(apart.abs() < 1, apart.square() / 2, apart.abs() - 0.5).mean())
    losses = task.step(state)
    assert losses["teacher logits"].item() == pytest.approx(torch.stack(errors).mean().item(), rel=1e-3)
    assert "teacher labels" in losses
    assert "teacher embedding" not in losses
    assert task.provenance(4)["teacher_in_loss"] == {"name": "yamnet", "digest": "e" * 64}
    assert task.provenance(4)["losses"]["teacher logits"] == 2.0


def test_a_teacher_that_cannot_be_in_a_loss_is_refused(tiny_corpus, monkeypatch):
    corpus = Corpus.open(tiny_corpus)
    attributes = GanTask.make_plan(tiny_recipe(), corpus).attributes

    def loaded(digest: str) -> None:
        monkeypatch.setattr(teacher_in_loss.teachers, "load", lambda name, device: FakeTagger(Network(), digest))
        TeacherInLoss(TeacherTerms(), corpus, attributes, torch.device("cpu"))

    with pytest.raises(UserError, match="by other weights of yamnet"):
        loaded("f" * 64)
    with pytest.raises(UserError, match=f"takes 16000 Hz.*has {RATE} Hz"):
        loaded("e" * 64)
    monkeypatch.setattr(teacher_in_loss.teachers, "load", lambda name, device: object())
    with pytest.raises(UserError, match="tag the corpus with yamnet or embedded"):
        TeacherInLoss(TeacherTerms(), corpus, attributes, torch.device("cpu"))


def test_long_gradients_are_shortened_to_the_median_and_keep_their_direction():
    gradient = torch.randn(7, 2, 4, 3)
    gradient *= torch.tensor([0.0, 0.01, 0.1, 1, 10, 100, 1000]).reshape(-1, 1, 1, 1)
    made, median = shortened(gradient), gradient[3].norm()
    assert torch.equal(made[:4], gradient[:4])
    for one, other in zip(gradient[4:], made[4:], strict=True):
        torch.testing.assert_close(other, one * (median / one.norm()))
