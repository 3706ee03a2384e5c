"""The task autoencoder: its notes and conditions, what a step changes, the Fader's warm-up, snapshots, mistakes."""

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.training.styled import make_styled, styled_recipe
from tests.training.tiny import run

from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.attributes import STYLES
from darktimbre.notes.errors import UserError
from darktimbre.training import checkpoint
from darktimbre.training.distributed import DistributedContext
from darktimbre.training.recipe import load_recipe
from darktimbre.training.schedule import Schedule
from darktimbre.training.tasks.autoencoder import AutoencoderTask
from darktimbre.training.tasks.autoencoder_notes import styled_notes
from darktimbre.training.tasks.autoencoder_recipe import Fader


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_styled(tmp_path_factory.mktemp("corpora") / "styled")


def task_for(corpus: Corpus, **changes) -> AutoencoderTask:
    recipe = styled_recipe(**changes)
    return AutoencoderTask(AutoencoderTask.make_plan(recipe, corpus), corpus, DistributedContext())


def steps(task: AutoencoderTask, count: int):
    schedule = Schedule(task.recipe)
    return [task.step(schedule.at(4 * number)) for number in range(count)]


def test_notes_without_pitch_or_style_are_trained_on_with_zeros_in_their_place(corpus):
    notes = styled_notes(styled_recipe(), corpus)
    assert notes.attributes.names == ("bright", "dark", "short")
    assert notes.attributes.teacher == STYLES
    assert notes.attributes.labelled_by is None
    assert notes.attributes.pitches == tuple(range(45, 76))
    condition = notes.condition(np.arange(len(notes.rows))).numpy()
    pitched, tagged = condition[:, :31].sum(axis=1), condition[:, 31:].sum(axis=1)
    assert (pitched == (notes.pitch >= 0)).all()
    assert 0 in pitched
    assert ((tagged == 0) == (notes.combination < 0)).all()
    assert 0 in tagged
    row = int(np.flatnonzero(notes.pitch == 48)[0])
    assert condition[row, 3] == 1


def test_classes_are_style_octave_and_semitone(corpus):
    notes = styled_notes(styled_recipe(), corpus)
    assert notes.combinations == ("bright + short", "dark", "dark + short")
    for kind, of in (("octave", lambda pitch: pitch // 12), ("semitone", lambda pitch: pitch % 12)):
        expected = [of(pitch) if pitch >= 0 else -1 for pitch in notes.pitch]
        assert notes.classes(kind).tolist() == expected
    assert notes.classes("style").tolist() == notes.combination.tolist()


def test_what_is_no_condition_is_no_control(corpus):
    for note, style in ((False, False), (True, False), (False, True)):
        task = task_for(corpus, condition={"note": note, "style": style}, prior={"kind": "mmd-rbf"})
        attributes = task.plan.attributes
        assert (bool(attributes.pitches), bool(attributes.names)) == (note, style)
        assert task.config.condition == attributes.size
        assert all(torch.isfinite(loss) for loss in steps(task, 1)[0].values())


@pytest.mark.parametrize("kind", ["mmd-rbf", "mmd-imq", "sliced", "class-sliced"])
def test_a_step_changes_both_networks(corpus, kind):
    task = task_for(corpus, prior={"kind": kind, "directions": 4})
    before = {name: tensor.clone() for name, tensor in task.tensors().items()}
    steps(task, 1)
    for name in ("encoder/latent.weight", "decoder/dense.0.weight", "decoder/partials.start.weight"):
        assert not torch.equal(task.tensors()[name], before[name]), name


def test_the_prior_alone_brings_latents_to_the_normal_distribution(corpus):
    none = {"level": 0.0, "loud": 0.0, "contrast": 0.0, "modulation": 0.0, "common": 0.0}
    task = task_for(
        corpus, prior={"kind": "sliced", "weight": 1.0}, reconstruction=none,
        optimiser={"lr": 0.01, "betas": [0.9, 0.99]}, schedule=[{"notes": 800, "batch": 8}],
    )  # fmt: skip
    schedule = Schedule(task.recipe)
    apart = [task.step(schedule.at(8 * number))["prior"].item() for number in range(100)]
    assert apart[0] > 0.7  # untrained, all notes lie near one point
    assert np.mean(apart[-30:]) < 0.5  # eight samples of the prior have 0.33


def test_faders_weight_warms_up():
    fader = Fader(weight=4.0, start=0.1, full=0.5)
    assert [fader.alpha(share) for share in (0.0, 0.1, 0.3, 0.5, 1.0)] == pytest.approx([0, 0, 2, 4, 4])


def test_the_discriminator_learns_from_its_own_loss_alone(corpus):
    changed = {}
    for weight in (0.0, 50.0):
        task = task_for(corpus, fader={"weight": weight, "start": 0.0, "full": 0.0})
        losses = steps(task, 1)[0]
        assert {"fader", "hidden"} <= set(losses)
        changed[weight] = (task.tensors()["fader/layers.0.weight"], task.tensors()["encoder/latent.weight"])
    assert torch.equal(changed[0.0][0], changed[50.0][0])
    assert not torch.equal(changed[0.0][1], changed[50.0][1])


def test_dropped_styles_are_zeros_and_no_others_are_touched(corpus):
    for condition, share in (({"drop_styles": 0.5, "drop_tag": 0.0}, 0.5), ({"drop_styles": 0.0, "drop_tag": 0.0}, 1)):
        task = task_for(corpus, condition=condition, schedule=[{"notes": 2000, "batch": 2000}])
        kept = task.kept_styles(Schedule(task.recipe).at(0))
        assert kept.mean() == pytest.approx(share, abs=0.05)
        assert (kept == kept[:, :1]).all()  # all tags of a note, or none


def test_snapshots_are_kept_and_a_resumed_run_keeps_the_same(corpus, tmp_path):
    recipe = styled_recipe(preview_every=8)
    run(recipe, corpus.path, tmp_path / "whole")
    assert run(recipe, corpus.path, tmp_path / "parts", minutes=0.0).reason == "time"
    run(recipe, corpus.path, tmp_path / "parts", resume=True)
    whole = sorted((tmp_path / "whole" / "latents").iterdir())
    assert [path.name for path in whole] == ["00000008.safetensors", "00000016.safetensors", "00000024.safetensors"]
    for path in whole:
        assert path.read_bytes() == (tmp_path / "parts" / "latents" / path.name).read_bytes()
    held = safetensors.torch.load_file(whole[-1])
    assert held["latent"].shape == (len(held["row"]), 3)
    assert held["row"].tolist() == corpus.rows("train").tolist()
    states = [checkpoint.listing(tmp_path / one)[-1] / checkpoint.TENSORS for one in ("whole", "parts")]
    assert states[0].read_bytes() == states[1].read_bytes()


def test_a_corpus_without_styles_is_refused_where_they_are_needed(tmp_path):
    plain = make_styled(tmp_path / "plain", styles=((),))
    one = make_styled(tmp_path / "one", styles=(("bowed",),))
    with pytest.raises(UserError, match=r"have no style tags.*data.styles=category"):
        AutoencoderTask.make_plan(styled_recipe(), plain)
    with pytest.raises(UserError, match="have the style 'bowed'"):
        AutoencoderTask.make_plan(styled_recipe(), one)
    without = styled_recipe(condition={"style": False}, prior={"kind": "mmd-imq"})
    assert AutoencoderTask.make_plan(without, plain).attributes.names == ()


def test_other_lengths_and_representations_are_refused(corpus):
    data = styled_recipe().data
    for changes, sentence in (
        ({"seconds": 1.0}, "holds notes of 0.248 s"),
        ({"codec": {"kind": "if", "n_fft": 256, "hop": 64}}, "data.codec.kind=mel-logmag"),
        ({"codec": {**data.codec, "frames": 40}}, "data.codec.frames=64"),
    ):
        recipe = styled_recipe(data={**data.model_dump(mode="json"), **changes})
        with pytest.raises(UserError, match=sentence):
            AutoencoderTask.make_plan(recipe, corpus)


def test_sounds_without_any_pitch_are_trained_on_without_one(tmp_path):
    unpitched = make_styled(tmp_path / "unpitched", pitched=False)
    task = task_for(unpitched)
    assert task.plan.attributes.pitches == ()
    assert any("have no pitch" in message for message in AutoencoderTask.make_plan(task.recipe, unpitched).messages)
    steps(task, 2)


def test_dry_run_says_what_would_be_trained(corpus):
    lines = AutoencoderTask.dry_run(styled_recipe(), corpus, "cpu")
    assert any("3 combinations of 3 style tags" in line for line in lines)
    assert any(line.startswith("decoder: ") for line in AutoencoderTask.dry_run(load_recipe("wae-fader"), None, "cpu"))
