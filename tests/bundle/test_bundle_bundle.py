"""A bundle read is the bundle written; whatever is wrong with one ends in a sentence that names the file."""

import json
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tests.bundle.tiny import edit, tiny_bundle

from darktimbre.bundle import where
from darktimbre.bundle.bundle import Bundle
from darktimbre.notes.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bundle().save_pretrained(tmp_path / "made" / "tiny")


def test_read_equals_written(folder: Path) -> None:
    written, read = tiny_bundle(), Bundle.from_pretrained(folder)
    assert read.config == {"format": 1, **written.config}
    assert read.digest == written.digest
    assert read.attributes == written.attributes
    assert read.codec().to_config() == written.codec().to_config()
    for name, tensor in written.weights.items():
        assert torch.equal(read.weights[name], tensor)
    latent, condition = torch.randn(2, 8), torch.rand(2, 6)
    assert torch.equal(read.generator()(latent, condition), written.generator()(latent, condition))


def test_only_three_plain_files_and_no_pickle(folder: Path) -> None:
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    header_size = int.from_bytes((folder / "model.safetensors").read_bytes()[:8], "little")
    json.loads((folder / "model.safetensors").read_bytes()[8 : 8 + header_size])


def test_written_twice_is_equal_to_the_byte(tmp_path: Path) -> None:
    one, two = tiny_bundle().save_pretrained(tmp_path / "1"), tiny_bundle().save_pretrained(tmp_path / "2")
    for file in one.iterdir():
        assert file.read_bytes() == (two / file.name).read_bytes()


def test_half_stores_float16_and_computes_in_float32(tmp_path: Path) -> None:
    path = tiny_bundle().save_pretrained(tmp_path / "half", half=True)
    read = Bundle.from_pretrained(path)
    assert {tensor.dtype for tensor in read.weights.values()} == {torch.float16}
    generator = read.generator()
    assert {parameter.dtype for parameter in generator.parameters()} == {torch.float32}
    for name, tensor in tiny_bundle().weights.items():
        assert torch.allclose(generator.state_dict()[name], tensor, rtol=2**-10, atol=2**-14)


def test_the_discriminator_travels_only_on_request(tmp_path: Path) -> None:
    path = tiny_bundle(discriminator=True).save_pretrained(tmp_path / "both")
    assert Bundle.from_pretrained(path).critic() is None
    critic = Bundle.from_pretrained(path, discriminator=True).critic()
    assert critic is not None
    for name, tensor in (tiny_bundle(discriminator=True).discriminator or {}).items():
        assert torch.equal(critic.state_dict()[name], tensor)


def test_building_a_generator_leaves_the_callers_random_numbers_alone(folder: Path) -> None:
    bundle = Bundle.from_pretrained(folder)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    bundle.generator()
    assert torch.equal(before, torch.get_rng_state())


def test_saving_replaces_the_old_bundle_whole(tmp_path: Path) -> None:
    path = tiny_bundle(discriminator=True).save_pretrained(tmp_path / "it")
    tiny_bundle().save_pretrained(path)
    assert not (path / "discriminator.safetensors").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["it"]


def test_a_failed_save_leaves_the_old_bundle(folder: Path) -> None:
    before = (folder / "model.safetensors").read_bytes()
    broken = tiny_bundle()
    broken.weights["grid.bias"][0] = float("nan")
    with pytest.raises(UserError, match=r"grid\.bias is not finite"):
        broken.save_pretrained(folder)
    huge = tiny_bundle()
    huge.weights["grid.bias"][0] = 1e6
    with pytest.raises(UserError, match="float16"):
        huge.save_pretrained(folder, half=True)
    assert (folder / "model.safetensors").read_bytes() == before
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read as JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "names no `format`"),
        (lambda folder: edit(folder, codec=None), "lacks codec"),
        (lambda folder: edit(folder, format=2), r"format 2.*reads format 1.*update"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 64), "cannot be read as safetensors"),
        (
            lambda folder: os.truncate(p := folder / "model.safetensors", p.stat().st_size - 9),
            "cannot be read as safetensors",
        ),
    ],
)
def test_damage_is_named_by_file(folder: Path, damage: object, sentence: str) -> None:
    damage(folder)  # type: ignore[operator]
    with pytest.raises(UserError, match=sentence):
        Bundle.from_pretrained(folder)


def test_weights_that_do_not_fit_the_network_are_named(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    bias = weights.pop("grid.bias")
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"model.safetensors lacks 1 .*grid.bias"):
        Bundle.from_pretrained(folder).generator()
    safetensors.torch.save_file({**weights, "grid.bias": bias, "other": bias.clone()}, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"holds 1 tensors .*other"):
        Bundle.from_pretrained(folder).generator()
    safetensors.torch.save_file({**weights, "grid.bias": bias[:3]}, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"model.safetensors: grid.bias has the shape \(3,\)"):
        Bundle.from_pretrained(folder).generator()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"widths": [10**6, 10**6, 10**6]}, "has the shape"),  # terabytes: refused before anything is allocated
        ({"attention": True}, r"`network` in config\.json is not one this version can build"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(folder: Path, change: dict[str, object], sentence: str) -> None:
    network = json.loads((folder / "config.json").read_text())["network"]
    edit(folder, network={**network, **change})
    with pytest.raises(UserError, match=sentence):
        Bundle.from_pretrained(folder).generator()


def test_starter_names_the_package_data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where, "shipped_folder", lambda _name: folder)
    assert Bundle.from_pretrained("starter").origin == str(folder)
    monkeypatch.setattr(where, "shipped_folder", lambda _name: folder / "none")
    with pytest.raises(UserError, match="no starter instrument"):
        Bundle.from_pretrained("starter")


def test_a_hub_id_is_fetched_and_a_path_never(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    fetched = []

    def fetch(repo_id: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        fetched.append((repo_id, revision, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    monkeypatch.chdir(tmp_path)
    assert Bundle.from_pretrained("someone/bells@v2").origin == str(folder)
    ((repo, revision, patterns),) = fetched
    assert (repo, revision) == ("someone/bells", "v2")
    assert set(patterns) == {
        "config.json", "model.safetensors", "README.md", "encoder.safetensors", "inverter.safetensors",
        "latents.safetensors", "latents.json", "edits.safetensors",
    }  # fmt: skip
    for path in (tmp_path / "none", "./someone/bells", "made/none", "a/b/c", "none", "/someone"):
        with pytest.raises(UserError, match="no bundle at"):
            Bundle.from_pretrained(path)
    assert len(fetched) == 1


def test_offline_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def fetch(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no folder someone/bells here.*connection"):
        Bundle.from_pretrained("someone/bells")


def test_near_misses_are_explained(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a file"):
        Bundle.from_pretrained(folder / "config.json")
    with pytest.raises(UserError, match="is not a bundle"):
        Bundle.from_pretrained(folder.parent)
    run = tmp_path / "run"
    tiny_bundle().save_pretrained(run / "bundle")
    with pytest.raises(UserError, match=r"holds one: use .*run/bundle"):
        Bundle.from_pretrained(run)
