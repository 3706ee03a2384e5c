"""Objectives, hooks and the search: known optima, formulas, rows apart, nothing left behind."""

import dataclasses

import pytest
import torch
from tests.bundle.tiny import tiny_bundle
from torch import Tensor, nn

from darktimbre.dissection import objectives as goals
from darktimbre.dissection.objectives import Objective, channel, direction, diversity, interpolation, layer, neuron
from darktimbre.dissection.parametrisations import Latent, Parametrisation
from darktimbre.dissection.search import maximise
from darktimbre.dissection.subject import Subject, critic_of, generator_of
from darktimbre.models.edits import probe
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer


class Numbers(Parametrisation):
    """An image of two channels and one pixel."""

    kind = "image"

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.numbers = nn.Parameter(torch.zeros(rows, 2, 1, 1))

    def start(self, generator: torch.Generator) -> None:
        self.numbers.data.normal_(generator=generator)

    def forward(self) -> Tensor:
        return self.numbers


@dataclasses.dataclass(frozen=True, repr=False)
class near(Objective):
    """Minus the squared distance of the output from a number."""

    number: float

    def __call__(self, seen: goals.Seen) -> Tensor:
        return -(seen.output - self.number).flatten(1).square().sum(1)


def identity() -> Subject:
    network = nn.Identity()
    return Subject(network, "image", lambda image, condition: network(image))


@pytest.fixture(scope="module")
def instrument() -> Synthesizer:
    return Synthesizer(tiny_bundle(discriminator=True))


def test_a_known_optimum_is_reached_by_every_row() -> None:
    found = maximise(near(3.0), Numbers(4), identity(), steps=200, rate=0.1)
    torch.testing.assert_close(found.inputs, torch.full((4, 2, 1, 1), 3.0), atol=0.05, rtol=0)
    assert (found.trace[-1] > found.trace[0]).all()


def test_rows_do_not_see_each_other(instrument: Synthesizer) -> None:
    """The gradient of one row's objective reaches that row's numbers alone, also in a critic with batch statistics."""
    for subject in (generator_of(instrument), critic_of(instrument)):
        written = Latent(instrument, 60, rows=3, subject=subject)
        written.start(torch.Generator().manual_seed(1))
        goal = channel("stages.1", 2)
        seen = subject.see(written(), "latent", condition=written.condition(), layers=goal.layers)
        (gradient,) = torch.autograd.grad(goal(seen)[1], written.parameters())
        assert gradient[1].abs().sum() > 0
        assert gradient[[0, 2]].abs().sum() == 0


def test_a_search_excites_the_unit_and_keeps_the_latent_on_its_sphere(instrument: Synthesizer) -> None:
    found = maximise(channel("stages.1", 3), Latent(instrument, 60, {"Drum": 0.5}, rows=2), steps=30, rate=0.1, seed=2)
    assert (found.values > found.trace[0]).all()
    torch.testing.assert_close(found.inputs.norm(dim=1), torch.full((2,), 8**0.5))
    assert found.form("wave").shape == (2, instrument.samples)
    again = maximise(channel("stages.1", 3), Latent(instrument, 60, {"Drum": 0.5}, rows=2), steps=30, rate=0.1, seed=2)
    assert torch.equal(again.inputs, found.inputs)


def test_an_objectives_text_is_its_formula() -> None:
    goal = channel("stages.1", 22) + 0.5 * goals.attribute("Trumpet") - 0.1 * diversity("stages.1")
    assert repr(goal) == 'channel("stages.1", 22) + 0.5 * attribute("Trumpet") - 0.1 * diversity("stages.1")'
    assert repr(2 * (neuron("a", 0) + layer("b"))) == '2 * (neuron("a", 0, []) + layer("b"))'
    assert goal.layers == {"stages.1"}
    names = {one: getattr(goals, one) for one in goals.__dict__ if isinstance(getattr(goals, one), type)}
    assert eval(repr(goal), names) == goal


def test_objectives_are_what_arithmetic_says() -> None:
    maps = torch.arange(2 * 3 * 4.0).view(2, 3, 2, 2)
    seen = goals.Seen(identity(), torch.zeros(2, 1), "image", None, (), torch.Generator())
    seen.layers = {"a": maps}
    torch.testing.assert_close(neuron("a", 1, (0, 1))(seen), maps[:, 1, 0, 1])
    torch.testing.assert_close(channel("a", 2)(seen), maps[:, 2].mean((1, 2)))
    torch.testing.assert_close(layer("a")(seen), maps.square().mean((1, 2, 3)))
    torch.testing.assert_close(
        direction("a", (1.0, 0.0, -1.0))(seen), maps[:, 0].mean((1, 2)) - maps[:, 2].mean((1, 2))
    )
    torch.testing.assert_close(goals.distance("a", maps[0])(seen), torch.tensor([0.0, 144.0]))
    mixed = interpolation(channel("a", 0), channel("a", 1))(seen)
    torch.testing.assert_close(mixed, torch.stack([maps[0, 0].mean(), maps[1, 1].mean()]))
    seen.layers = {"a": maps[:1].expand(2, -1, -1, -1)}
    torch.testing.assert_close(diversity("a")(seen), torch.ones(2))


def test_probes_copy_what_is_rectified_in_place_and_leave_nothing() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True))
    picture = torch.randn(1, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    with probe(network, "0") as seen:
        network(picture)
    torch.testing.assert_close(seen["0"], network[0](picture))
    with pytest.raises(RuntimeError), probe(network, "0", "1"):
        raise RuntimeError
    assert not any(module._forward_hooks for module in network.modules())


def test_what_does_not_exist_is_said_in_a_sentence(instrument: Synthesizer) -> None:
    for goal, sentence in (
        (channel("stage.1", 0), r"no layer 'stage\.1'. Did you mean .*'stages\.1'"),
        (channel("stages.1", 99), "units 0 to 7, but no unit 99"),
        (goals.attribute("Trumpet"), "An attribute is of a teacher"),
    ):
        with pytest.raises(UserError, match=sentence):
            maximise(goal, Latent(instrument, 60), steps=1)
    with pytest.raises(UserError, match="No way leads from image to latent"):
        maximise(channel("stages.1", 0), Numbers(1), generator_of(instrument), steps=1)
