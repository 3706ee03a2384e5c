"""DCGANs on the shared step: critic steps, mode seeking, packs; resumed runs equal uninterrupted ones bit for bit."""

import json

import numpy as np
import pytest
import torch
from tests.training.digits import WGAN, digit_recipe, make_pictures
from tests.training.tiny import run, tiny_recipe

from darktimbre.bundle.pictures import PictureClassifier, PictureGan
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.errors import UserError
from darktimbre.objectives.mode_seeking import mode_seeking_loss
from darktimbre.training import checkpoint
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.journal import draw_losses, read_journal
from darktimbre.training.recipe import Recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks.digit_gan import DigitGanTask
from darktimbre.training.tasks.gan import GanTask
from darktimbre.training.trainer import Trainer


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("pictures") / "bars").path


def task_of_run(recipe: Recipe, path) -> DigitGanTask:
    opened = Corpus.open(path, of="pictures")
    return DigitGanTask(DigitGanTask.make_plan(recipe, opened), opened, DistributedContext())


# ----------------------------------------------------------------------------
# Critic steps


def test_generator_is_trained_in_every_kth_step_alone_and_each_step_has_rows_and_latents_of_its_own(corpus):
    task = task_of_run(digit_recipe(**WGAN), corpus)
    schedule, seen, rows = Schedule(task.plan.recipe), 0, []
    for step in range(12):
        state = schedule.at(seen)
        batch = task.batch(state)
        rows.append(batch.real.sum(dim=(1, 2, 3)).tolist())
        before = [parameter.clone() for parameter in task.networks.generator.parameters()]
        critic = [parameter.clone() for parameter in task.networks.discriminator.parameters()]
        losses = task.step(state)
        moved = any((a != b).any() for a, b in zip(before, task.networks.generator.parameters(), strict=True))
        assert moved == (step in (4, 9))
        assert ("generator" in losses) == moved
        assert any((a != b).any() for a, b in zip(critic, task.networks.discriminator.parameters(), strict=True))
        seen += state.batch
    flat = [value for row in rows[:9] for value in row]  # one pass over 36 training pictures
    assert len(set(flat)) == 36


@pytest.mark.parametrize("changes", [WGAN, {}], ids=["between two G steps", "with dropout and batch norms"])
def test_resumed_equals_uninterrupted(corpus, tmp_path, changes, monkeypatch):
    recipe = digit_recipe(**changes)
    assert run(recipe, corpus, tmp_path / "whole").reason == "done"
    monkeypatch.setattr(  # after 7 of 12 steps: with five critic steps, two after the G step
        Trainer, "_agreed_reason", lambda trainer: "interrupted" if trainer.state.step == 6 else None
    )
    assert run(recipe, corpus, tmp_path / "parts").reason == "interrupted"
    monkeypatch.undo()
    assert checkpoint.load_latest(tmp_path / "parts")[0].notes_seen == 28
    torch.manual_seed(99)  # whatever the process did meanwhile
    assert run(recipe, corpus, tmp_path / "parts", resume=True).reason == "done"
    for name in (f"checkpoints/{48:012d}/{checkpoint.TENSORS}", "journal.jsonl", "bundle/model.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name


def test_journal_has_the_generators_loss_though_it_is_rare(corpus, tmp_path):
    run(digit_recipe(**WGAN, journal_every=24), corpus, tmp_path / "run")
    lines = read_journal(tmp_path / "run" / "journal.jsonl")
    assert [line["step"] for line in lines] == [6, 12]
    assert all(np.isfinite(line[name]) for line in lines for name in ("critic", "generator", "penalty"))
    picture = draw_losses(tmp_path / "run", heading="tiny", unit="pictures")
    assert picture is not None
    assert picture.stat().st_size > 5000
    assert draw_losses(tmp_path, heading="nothing") is None


# ----------------------------------------------------------------------------
# Mode seeking


def test_mode_seeking_is_of_the_two_fakes_of_a_step(corpus):
    objectives = {"adversarial": "logistic", "penalty": {"kind": "none"}, "drift": 0.0, "mode_seeking": 0.5}
    task = task_of_run(digit_recipe(objectives=objectives), corpus)
    state = Schedule(task.plan.recipe).at(0)
    batch, generator = task.batch(state), task.networks.generator
    with torch.no_grad():
        expected = mode_seeking_loss(
            first=generator(batch.g_latent, batch.condition),
            second=generator(batch.d_latent, batch.condition),
            first_latent=batch.g_latent,
            second_latent=batch.d_latent,
        )
    torch.testing.assert_close(task.step(state)["mode_seeking"].detach(), expected)


def test_mode_seeking_makes_pictures_differ(corpus):
    def spread(weight: float) -> float:
        objectives = {"adversarial": "logistic", "penalty": {"kind": "none"}, "mode_seeking": weight}
        task = task_of_run(digit_recipe(objectives=objectives, schedule=[{"notes": 160, "batch": 8}]), corpus)
        schedule = Schedule(task.plan.recipe)
        for seen in range(0, 160, 8):
            task.step(schedule.at(seen))
        model = task.model(160, {})
        pictures = model.pictures(model.latents(0, 12), [0] * 12)
        return float(pictures.std(axis=0).mean())

    assert spread(5.0) > 1.5 * spread(0.0)


def test_mode_seeking_is_one_setting_of_every_gan_recipe(tiny_corpus):
    opened = Corpus.open(tiny_corpus)
    recipe = tiny_recipe(objectives={"mode_seeking": 0.1, "critic_steps": 2})
    task = GanTask(GanTask.make_plan(recipe, opened), opened, DistributedContext())
    schedule = Schedule(recipe)
    assert "mode_seeking" not in task.step(schedule.at(0))
    assert task.step(schedule.at(4))["mode_seeking"] > 0


# ----------------------------------------------------------------------------
# Batch norms, packs, the model


def test_with_batch_norm_real_and_fake_are_scored_apart_without_it_together(corpus):
    for normalisation, passes in (("batch", 2), ("layer", 1)):
        task = task_of_run(digit_recipe(dcgan={**WGAN["dcgan"], "normalisation": normalisation}), corpus)
        sizes: list[int] = []
        task.networks.discriminator.register_forward_pre_hook(
            lambda module, inputs, sizes=sizes: sizes.append(len(inputs[0]))
        )
        task.step(Schedule(task.plan.recipe).at(0))
        assert sizes == ([4, 4, 4] if passes == 2 else [8, 4])  # the last one is the G step


def test_packed_penalty_is_the_slope_of_a_pack(corpus):
    task = task_of_run(digit_recipe(**{**WGAN, "dcgan": {**WGAN["dcgan"], "pac": 2}}), corpus)
    state = Schedule(task.plan.recipe).at(0)
    batch, networks = task.batch(state), task.networks
    with torch.no_grad():
        fake = networks.generator(batch.d_latent, batch.condition)
    alphas = batch.mix[::2].repeat_interleave(2)[:, None, None, None]
    middle = torch.lerp(fake, batch.real, alphas).requires_grad_()
    (gradient,) = torch.autograd.grad(networks.discriminator(middle).score.sum(), middle)
    slopes = gradient.reshape(2, -1).norm(dim=1)
    torch.testing.assert_close(task.step(state)["penalty"].detach(), (slopes - 1).square().mean())


def test_generator_on_disk_draws_what_was_trained_whatever_the_batch(corpus, tmp_path):
    assert run(digit_recipe(), corpus, tmp_path / "run").reason == "done"
    model = PictureGan.from_pretrained(tmp_path / "run" / "bundle")
    assert model.classes == ("0", "1", "2")
    latents = model.latents(3, 6)
    np.testing.assert_array_equal(latents[:2], model.latents(3, 2))
    pictures = model.pictures(latents, [0, 1, 2, 0, 1, 2])
    assert pictures.shape == (6, 1, 28, 28)
    np.testing.assert_allclose(model.pictures(latents[4:5], [1]), pictures[4:5], atol=1e-5)
    with pytest.raises(UserError, match="name one for each, of 0, 1, 2"):
        model.pictures(latents)
    with pytest.raises(UserError, match="it holds one: use"):
        PictureGan.from_pretrained(tmp_path / "run")
    other = "of a picture-classifier, but of a picture-gan: `darktimbre train digits-classifier`"
    with pytest.raises(UserError, match=other):
        PictureClassifier.from_pretrained(tmp_path / "run" / "bundle")
    config = json.loads((tmp_path / "run" / "bundle" / "config.json").read_text())
    config["network"]["latent"] = 5
    (tmp_path / "run" / "bundle" / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="has the shape"):
        PictureGan.from_pretrained(tmp_path / "run" / "bundle")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"schedule": [{"notes": 8, "batch": 1}]}, "at least 2"),
        ({"dcgan": {"pac": 3}}, "multiple of dcgan.pac, 3"),
        ({"init": "starter"}, "does not use init"),
        ({"schedule": [{"notes": 8, "batch": 4, "fade": 4}]}, "does not use fade"),
    ],
)
def test_what_no_picture_recipe_has_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        digit_recipe(**changes)


def test_pictures_of_one_class_are_refused(tmp_path):
    corpus = make_pictures(tmp_path / "one", pictures=10, classes=1).path
    with pytest.raises(UserError, match="of one class, '0'"):
        run(digit_recipe(), corpus, tmp_path / "run")
