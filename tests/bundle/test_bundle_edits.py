"""Kept edits: as sliders of everything that plays, and what is refused of their file."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.bundle.tiny import tiny_autoencoder, tiny_bundle

from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.edits import KeptEdit, stored
from darktimbre.bundle.where import CARD, EDITS
from darktimbre.export.onnx import export_onnx
from darktimbre.instrument.admission import Limits
from darktimbre.instrument.describe import describe
from darktimbre.models.edits import Scale, Shift, Steered, edited
from darktimbre.models.folding import fold
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer

ROW = tuple(float(one) for one in np.random.default_rng(5).standard_normal(8))


def kept(**changes: Any) -> KeptEdit:
    facts: dict[str, Any] = {"name": "Bagpipes", "layers": ("stages.1",), "direction": ROW, "effect": 0.7, "notes": 64}
    return KeptEdit(**{**facts, "also": ("brighter",), **changes})


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    second = kept(name="Choir", layers=("stages.1", "stages.0"), direction=(*ROW, *ROW, *ROW))
    return tiny_bundle().with_edits([kept(), second])


def inputs(bundle: Bundle) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    condition = torch.rand(2, bundle.attributes.size, generator=generator)
    condition[:, :3] = torch.eye(3)[:2]
    return torch.randn(2, 8, generator=generator), condition


@pytest.mark.parametrize("layer", ["stages.0", "stages.1"])
def test_a_folded_network_is_edited_as_the_trained_one(layer: str) -> None:
    bundle = tiny_bundle()
    latent, condition = inputs(bundle)
    plain, folded = bundle.generator(), fold(bundle.generator())
    edits = (Shift(layer, ROW * (bundle.editable[layer] // 8), 0.5), Scale(layer, (1, 2), 0.0))
    with torch.no_grad():
        with edited(plain, *edits):
            wanted = plain(latent, condition)
        with edited(folded, *edits):
            torch.testing.assert_close(folded(latent, condition), wanted, atol=2e-5, rtol=0)
        assert (wanted - plain(latent, condition)).abs().max() > 0.01


def test_the_last_stage_of_a_folded_network_cannot_be_edited() -> None:
    bundle = tiny_bundle()
    with (
        pytest.raises(UserError, match="leaves its norm to what follows"),
        edited(fold(bundle.generator()), Scale("stages.2", (0,), 0.0)),
    ):
        pass


def test_sliders_are_shifts_row_by_row_and_an_amount_of_zero_changes_no_bit(bundle: Bundle) -> None:
    latent, condition = inputs(bundle)
    network, played = fold(bundle.generator()), bundle.played()
    amounts = torch.tensor([[0.0, 0.0], [0.4, -0.8]])
    with torch.inference_mode():
        untouched = played(latent, torch.cat([condition, torch.zeros(2, 2)], dim=1))
        assert torch.equal(untouched, network(latent, condition))
        made = played(latent, torch.cat([condition, amounts], dim=1))
        assert torch.equal(made[0], untouched[0])
        shifts = [
            replace(one, amount=amount)
            for edit, amount in zip(bundle.edits, (0.4, -0.8), strict=True)
            for one in edit.shifts(bundle.editable)
        ]
        assert [one.layer for one in shifts] == ["stages.1", "stages.1", "stages.0"]
        with edited(network, *shifts):
            torch.testing.assert_close(made[1:], network(latent[1:], condition[1:]), atol=2e-5, rtol=0)
        beyond = played(latent, torch.cat([condition, 7 * torch.ones(2, 2)], dim=1))
        assert torch.equal(beyond, played(latent, torch.cat([condition, torch.ones(2, 2)], dim=1)))


def test_all_that_plays_takes_an_edit_like_an_attribute(bundle: Bundle) -> None:
    plain, instrument = Synthesizer(tiny_bundle()), Synthesizer(bundle)
    levels = {"Trumpet": 0.3, "bagpipes": 0.6}
    note = instrument.render(60, levels, seed=2)
    assert np.array_equal(instrument.render(60, {"Trumpet": 0.3}, seed=2), plain.render(60, {"Trumpet": 0.3}, seed=2))
    plain.edits = (replace(bundle.edits[0].shifts(bundle.editable)[0], amount=0.6),)
    np.testing.assert_allclose(note, plain.render(60, {"Trumpet": 0.3}, seed=2), atol=2e-5)
    patch = Patch.from_json({"attributes": levels, "seed": 2})
    by_patch = instrument.waves(patch.condition(instrument, 60.0), patch.latent_on(instrument)[None])
    centre = instrument.render(60, levels, latent=patch.latent_on(instrument))
    assert np.array_equal(by_patch, centre)
    plain.edits = ()
    condition, latent = plain.controls.fill(60, {"Trumpet": 0.3}, 2, None)  # a row of an evaluation knows no edits
    assert np.array_equal(instrument.waves(condition, latent), plain.waves(condition, latent))
    sliders = {one.name: one for one in describe(instrument, teacher=None, exports=(), limits=Limits()).attributes}
    assert sliders["Bagpipes"].also == ["brighter"]
    assert sliders["Bagpipes"].baseline == 0.0
    assert "stages.1: +0.7 deviations on 64 notes. Also brighter." in str(sliders["Bagpipes"].about)
    assert sliders["Trumpet"].about is None


def test_an_exported_network_has_the_edits_as_inputs(bundle: Bundle, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    instrument = Synthesizer(bundle)
    report = export_onnx(instrument, tmp_path / "edited.onnx")
    assert report.picture_error is not None
    assert report.picture_error < 1e-4
    names = {one.key: one.value for one in onnx.load(tmp_path / "edited.onnx").metadata_props}
    assert json.loads(names["darktimbre.attributes"])[-2:] == ["Bagpipes", "Choir"]
    session = runtime.InferenceSession(str(tmp_path / "edited.onnx"))
    condition, latent = instrument.controls.fill(60, {"Drum": 0.5, "Bagpipes": 1.0, "Choir": -0.5}, 1, None)
    (wave,) = session.run(["wave"], {"latent": latent, "condition": condition})
    np.testing.assert_allclose(wave, instrument.waves(condition, latent), atol=1e-3)


def test_an_autoencoders_decoder_is_edited_too(tmp_path: Path) -> None:
    made = tiny_autoencoder().with_edits([kept(layers=("stages.2",))])
    made.save_pretrained(tmp_path / "made")
    instrument = Synthesizer.from_pretrained(tmp_path / "made")
    assert not np.array_equal(instrument.render(60, {"Bagpipes": 1.0}), instrument.render(60))


@pytest.mark.parametrize("half", [False, True])
def test_a_folder_keeps_its_edits_however_weights_are_stored(bundle: Bundle, half: bool, tmp_path: Path) -> None:
    bundle.save_pretrained(tmp_path / "made", half=half)
    found = Bundle.from_pretrained(tmp_path / "made")
    assert [edit.name for edit in found.edits] == ["Bagpipes", "Choir"]
    np.testing.assert_allclose(found.edits[0].direction, ROW, rtol=1e-6)
    tiny_bundle().save_pretrained(tmp_path / "plain")
    assert not (tmp_path / "plain" / EDITS).exists()


def test_the_card_lists_edits_with_effect_side_effects_and_notes(tmp_path: Path) -> None:
    measured = kept(figures={"share": 0.8, "lost": 0.0156}, also=("brighter", "more Organ | pipe"))
    tiny_bundle().with_edits([measured, kept(name="Choir", also=())]).save_pretrained(tmp_path / "made")
    rows = [line for line in (tmp_path / "made" / CARD).read_text().splitlines() if line.startswith("| ")]
    assert "| Bagpipes | stages.1 | +0.70 | 80 % | 1.6 % | brighter, more Organ / pipe | 64 |" in rows
    assert "| Choir | stages.1 | +0.70 |  |  | nothing clear | 64 |" in rows
    tiny_bundle().save_pretrained(tmp_path / "plain")
    assert "## Edits" not in (tmp_path / "plain" / CARD).read_text()
    tiny_autoencoder().with_edits([kept()]).save_pretrained(tmp_path / "decoder")
    assert "## Edits" in (tmp_path / "decoder" / CARD).read_text()


def changed(held_edits: list[KeptEdit], **about: Any) -> dict[str, torch.Tensor]:
    tensors = stored(held_edits, tiny_bundle().weights)
    held = {**json.loads(bytes(tensors["about"].numpy().tobytes())), **about}
    return {**tensors, "about": torch.frombuffer(bytearray(json.dumps(held).encode()), dtype=torch.uint8)}


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        (lambda: changed([kept()], network="00" * 32), "edits of another network"),
        (lambda: changed([kept()], format=3), "update darktimbre"),
        (lambda: changed([kept()], edits=[]), "1 directions for 0 edits"),
        (lambda: {"about": torch.zeros(3, dtype=torch.uint8)}, "no file of edits"),
        (lambda: {"direction.0": torch.zeros(8)}, "no file of edits"),
        (lambda: {**changed([kept()]), "direction.0": torch.full((8,), torch.nan)}, r"damaged \(direction"),
        (lambda: {**changed([kept()]), "direction.0": torch.full((8,), 1e9)}, r"damaged \(direction"),
        (lambda: {**changed([kept()]), "direction.0": torch.zeros(7)}, "has 7 numbers, the layer stages.1 has 8"),
        (lambda: {**changed([kept()]), "direction.0": torch.zeros(2, 4)}, "damaged"),
        (lambda: changed([kept(layers=("stages.1", "stages.1"), direction=(*ROW, *ROW))]), "names a layer twice"),
        (lambda: changed([kept(layers=("stages.0", "stages.1"))]), "has 8 numbers, .* has 24 units"),
        (lambda: changed([kept(layers=("stages.2",))]), "those that can be are stages.0, stages.1"),
        (lambda: changed([kept(name="trumpet")]), "two sliders are called 'trumpet'"),
        (lambda: changed([kept(name=f"{n}") for n in range(65)]), "at most 64"),
        (lambda: {"about": torch.zeros(1 << 20, dtype=torch.uint8)}, "larger than a file of edits"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_sentence(tensors: Any, sentence: str, tmp_path: Path) -> None:
    folder = tiny_bundle().save_pretrained(tmp_path / "made")
    safetensors.torch.save_file(tensors(), folder / EDITS)
    with pytest.raises(UserError, match=sentence) as raised:
        Bundle.from_pretrained(folder)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle().save_pretrained(tmp_path / "made")
    (folder / EDITS).write_bytes(b"\x80\x04pickle")
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        Bundle.from_pretrained(folder)


def test_steering_needs_layers_that_exist() -> None:
    with pytest.raises(UserError, match=r"no layer 'stages\.9'"):
        Steered(fold(tiny_bundle().generator()), [[Shift("stages.9", ROW, 1.0)]])
