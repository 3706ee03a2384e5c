"""One training step equals the plain one: separate passes, separate backwards, nothing frozen."""

from copy import deepcopy

import pytest
import torch
from tests.training.tiny import tiny_recipe, warm_recipe
from torch.nn import functional as F

from darktimbre.corpus.corpus import Corpus
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.recipe import Recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks.gan import GanTask
from darktimbre.training.tasks.gan_networks import scores_of_both


def training_of(recipe: Recipe, corpus_path) -> GanTask:
    corpus = Corpus.open(corpus_path)
    return GanTask(GanTask.make_plan(recipe, corpus), corpus, DistributedContext())


def plain_losses(recipe: Recipe, training: GanTask, state) -> tuple[dict, dict]:
    """Gradients of both networks by the definitions, from one state, without any of the step's economies."""
    G, D = deepcopy(training.networks.generator), deepcopy(training.networks.discriminator)
    batch, at = training.batch(state), {"stage": state.scale, "alpha": state.alpha}
    goals, T = recipe.objectives, recipe.data.temperature

    def heads(output):
        pitch = F.cross_entropy(output.pitch_logits, batch.pitch_class)
        wanted, said = batch.soft_labels, torch.sigmoid(output.attribute_logits / T)
        attributes = -(wanted * said.log() + (1 - wanted) * (1 - said).log()).mean()
        return goals.pitch * pitch + goals.attributes * attributes

    fake = G(batch.d_latent, batch.condition, **at).detach()
    on_real, on_fake = D(batch.real, **at), D(fake, **at)
    critic = on_fake.score.mean() - on_real.score.mean() + goals.drift * (on_real.score**2).mean() + heads(on_real)
    mixed = batch.mix.view(-1, 1, 1, 1) * batch.real + (1 - batch.mix.view(-1, 1, 1, 1)) * fake
    mixed.requires_grad_()
    (slope,) = torch.autograd.grad(D(mixed, **at).score.sum(), mixed, create_graph=True)
    distances = (slope.flatten(1).norm(dim=1) - 1) ** 2
    penalty = distances.sum() if goals.penalty.reduction == "sum" else distances.mean()
    critic = critic + goals.penalty.weight * penalty
    critic_gradients = torch.autograd.grad(critic, list(D.parameters()), allow_unused=True)
    return {"critic": on_fake.score.mean() - on_real.score.mean(), "penalty": penalty}, dict(
        zip((name for name, _ in D.named_parameters()), critic_gradients, strict=True)
    )


def stepped(training: GanTask, state, monkeypatch) -> tuple[dict, dict[str, dict]]:
    """Losses of a step, and the gradients of both networks, which are not applied."""
    settled: dict[str, dict] = {}

    def note(name, state):
        network = training.networks.trained()[name]
        settled[name] = {key: parameter.grad for key, parameter in network.named_parameters()}

    monkeypatch.setattr(training.networks, "update", note)
    return training.step(state), settled


@pytest.mark.parametrize("batch", [4, 6], ids=["one pass", "two passes"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_discriminators_gradient_is_that_of_the_plain_step(tiny_corpus, monkeypatch, batch, reduction):
    recipe = tiny_recipe(
        schedule=[{"notes": 12, "batch": batch}, {"notes": 24, "batch": batch, "fade": 60}],
        objectives={"penalty": {"reduction": reduction}},
    )
    training = training_of(recipe, tiny_corpus)
    state = Schedule(recipe).at(12)
    assert 0 < state.alpha < 1
    losses, gradients = plain_losses(recipe, training, state)
    reported, settled = stepped(training, state, monkeypatch)
    for name, value in losses.items():
        torch.testing.assert_close(reported[name].detach(), value.detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(settled["discriminator"], gradients, rtol=2e-3, atol=1e-4)


def test_the_g_step_leaves_the_discriminator_alone_and_the_other_way_round(tiny_corpus, monkeypatch):
    recipe = tiny_recipe()
    training = training_of(recipe, tiny_corpus)
    networks, order = training.networks, []

    def update(name, state):
        other = "generator" if name == "discriminator" else "discriminator"
        assert all(parameter.grad is None for parameter in networks.trained()[other].parameters())
        assert any(parameter.grad is not None for parameter in networks.trained()[name].parameters())
        networks.trained()[name].zero_grad(set_to_none=True)
        order.append(name)

    monkeypatch.setattr(networks, "update", update)
    training.step(Schedule(recipe).at(0))
    assert order == ["discriminator", "generator"]
    assert all(parameter.requires_grad for network in networks.trained().values() for parameter in network.parameters())


def test_one_pass_over_real_and_fake_equals_two(tiny_corpus):
    training = training_of(tiny_recipe(), tiny_corpus)
    discriminator = training.networks.discriminator
    real, fake = torch.randn(8, 2, 16, 32), torch.randn(8, 2, 16, 32)
    at = {"stage": 2, "alpha": 1.0}
    for mine, plain in zip(scores_of_both(discriminator, real, fake, **at), (real, fake), strict=True):
        torch.testing.assert_close(mine.score, discriminator(plain, **at).score, rtol=1e-4, atol=1e-5)


def test_penalty_is_lazy_with_its_weight_times_the_interval(tiny_corpus, monkeypatch):
    recipe = warm_recipe()
    training = training_of(recipe, tiny_corpus)
    schedule = Schedule(recipe)
    seen = [name for n in range(32, 60, 4) for name in training.step(schedule.at(n)) if name == "penalty"]
    assert len(seen) == sum(schedule.at(n).step % 3 == 0 for n in range(32, 60, 4))
    found = []
    for changes in ({"weight": 1.0, "every": 3}, {"weight": 3.0, "every": 1}, {"weight": 1.0, "every": 1}):
        penalty = {"kind": "zero-centred", **changes}
        training = training_of(warm_recipe(objectives={"adversarial": "logistic", "penalty": penalty}), tiny_corpus)
        state = schedule.at(40)
        assert state.step % 3 == 0
        found.append(stepped(training, state, monkeypatch)[1]["discriminator"])
    torch.testing.assert_close(found[0], found[1])
    assert any(not torch.equal(one, other) for one, other in zip(*(each.values() for each in found[1:]), strict=True))


def test_fakes_are_conditioned_on_labels_of_the_real_rows(tiny_corpus):
    training = training_of(tiny_recipe(), tiny_corpus)
    batch = training.batch(Schedule(tiny_recipe()).at(8))
    index = training.sampler.rows(8, 4)
    rows = training.dataset.rows[index]
    corpus = Corpus.open(tiny_corpus)
    pitches = batch.condition[:, :3].argmax(1) + 69
    assert pitches.tolist() == corpus.column("pitch")[rows].tolist()
    torch.testing.assert_close(batch.soft_labels, torch.from_numpy(training.dataset.soft_labels[index]))
    expected = training.codec.encode(torch.from_numpy(corpus.waves(rows)))[:, :, ::4, ::4]
    assert batch.real.shape == (4, 2, 4, 8)
    torch.testing.assert_close(batch.real, expected)


def test_warm_start_learns_to_reconstruct(tiny_corpus):
    recipe = warm_recipe(warm_start={"notes": 480, "batch": 8, "lr": 0.01, "kl": 0.001})
    training, schedule = training_of(recipe, tiny_corpus), Schedule(warm_recipe(warm_start={"notes": 480, "batch": 8}))
    errors = [float(training.step(schedule.at(n))["reconstruction"].detach()) for n in range(0, 480, 8)]
    assert sum(errors[-5:]) < 0.7 * sum(errors[:5])


def test_encoder_is_the_critic_at_the_end_of_the_warm_start_and_stays(tiny_corpus):
    recipe = warm_recipe()
    training, schedule = training_of(recipe, tiny_corpus), Schedule(recipe)
    for seen in range(0, 32, 8):
        training.step(schedule.at(seen))
    then = deepcopy(training.networks.discriminator.state_dict())
    for seen in range(32, 44, 4):
        assert "anchor" in training.step(schedule.at(seen))
    assert training.networks.encoder is not None
    for name, tensor in training.networks.encoder.state_dict().items():
        assert torch.equal(tensor, then[name])
    assert not torch.equal(training.networks.discriminator.score.weight, then["score.weight"])


def test_torchs_own_generator_is_left_alone(tiny_corpus):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    training = training_of(tiny_recipe(), tiny_corpus)
    training.step(Schedule(tiny_recipe()).at(0))
    assert torch.equal(before, torch.get_rng_state())
