"""Drawings of latents: a colour a class, t-SNE keeps neighbours, the page fetches nothing, the animation moves."""

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from sklearn.manifold import trustworthiness
from tests.evaluation.styled_tones import styled_corpus

from darktimbre.evaluation import latent_pictures
from darktimbre.evaluation.autoencoders import StyledNotes
from darktimbre.evaluation.latent_figures import Leakage
from darktimbre.evaluation.latent_page import write_page
from darktimbre.evaluation.latent_pictures import Cloud, animate, colourings, in_plane, in_planes, in_space, snapshots
from darktimbre.notes.errors import UserError
from darktimbre.report.estimates import Estimate
from darktimbre.report.figures import rendered


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> StyledNotes:
    return StyledNotes.of(styled_corpus(tmp_path_factory.mktemp("styled") / "corpus"))


@pytest.fixture(scope="module")
def cloud(notes: StyledNotes) -> Cloud:
    latents = np.random.default_rng(0).standard_normal((len(notes), 3))
    leak = Leakage("style", "all notes", Estimate(0.1), Estimate(0.25), 3, len(notes), 0)
    return Cloud("wae </script><b>", notes, latents, (leak,))


def test_every_class_has_a_colour_of_its_own(notes: StyledNotes) -> None:
    semitone, octave, style = colourings(notes)
    assert [one.name for one in (semitone, octave, style)] == ["semitone", "octave", "style"]
    assert octave.classes == ("3", "4")
    for one in (semitone, octave, style):
        assert len(set(one.colours)) == len(one.classes) == len(one.colours)
    assert (np.array(octave.classes).astype(int)[octave.label] == notes.octave).all()
    many = latent_pictures.distinct(30)
    assert len(set(many)) == 30
    assert all(re.fullmatch("#[0-9a-f]{6}", one) for one in many)


def test_space_shows_three_coordinates_as_they_are_and_more_by_principal_components() -> None:
    random = np.random.default_rng(1)
    latents = random.standard_normal((50, 3))
    np.testing.assert_array_equal(in_space(latents), latents)
    assert in_space(latents[:, :2])[:, 2].tolist() == [0] * 50
    wide = random.standard_normal((80, 3)) @ np.linalg.qr(random.standard_normal((8, 8)))[0][:3]
    shown = in_space(wide)  # of rank 3: distances stay
    for a, b in ((0, 1), (5, 40)):
        assert np.linalg.norm(shown[a] - shown[b]) == pytest.approx(np.linalg.norm(wide[a] - wide[b]))


def test_t_sne_keeps_neighbours_and_takes_collapsed_codes() -> None:
    random = np.random.default_rng(2)
    latents = random.standard_normal((150, 6)) + 8 * (np.arange(150) % 3)[:, None]
    assert trustworthiness(latents, in_plane(latents), n_neighbors=10) > 0.85
    assert not in_plane(np.ones((20, 3))).any()
    assert np.isfinite(in_plane(np.outer(np.arange(30.0), [1, 2, 3]))).all()  # a line


def test_t_sne_over_training_moves_notes_less_than_independent_ones_and_keeps_neighbours() -> None:
    random = np.random.default_rng(3)
    first, last = random.standard_normal((2, 150, 3))
    latents = [np.sqrt(1 - part) * first + np.sqrt(part) * last for part in (0.0, 0.02, 0.04, 0.06)]
    linked, apart = in_planes(latents), [in_plane(one, seed) for seed, one in enumerate(latents)]

    def moved(places: list[np.ndarray]) -> float:
        return float(np.mean([np.linalg.norm(b - a, axis=1).mean() for a, b in itertools.pairwise(places)]))

    assert moved(linked) < moved(apart) / 2
    assert trustworthiness(latents[-1], linked[-1]) > trustworthiness(latents[-1], apart[-1]) - 0.02
    collapsed = in_planes([latents[0], np.ones((150, 3)), latents[1]])
    assert not collapsed[1].any()
    assert trustworthiness(latents[1], collapsed[2]) > 0.85  # places of a collapsed latent are no start


def test_panels_are_drawn_with_leakage_above(cloud: Cloud) -> None:
    for plane in (True, False):
        png, svg = rendered(lambda plane=plane: latent_pictures.panels([cloud, cloud], plane=plane))  # type: ignore[misc]
        assert png.startswith(b"\x89PNG")
        assert svg.count("leak 0.25") == 2  # of style alone, the better probe's


def test_the_page_holds_everything_and_no_name_breaks_out_of_it(cloud: Cloud, tmp_path: Path) -> None:
    text = write_page([cloud, cloud], tmp_path / "deep" / "latents.html").read_text()
    assert "</script><b>" not in text
    assert not re.search(r"(src|href)=|https?://|@import|url\(", text)
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert [one["name"] for one in data] == [cloud.name, cloud.name]
    assert len(data[0]["places"]) == 3 * len(data[0]["titles"]) == 3 * len(cloud.notes)
    np.testing.assert_allclose(np.reshape(data[0]["places"], (-1, 3)) / 1000, cloud.latents, atol=6e-4)
    style = next(one for one in data[0]["colourings"] if one["name"] == "style")
    assert style["leak"] == "leak 0.25"
    assert [style["classes"][one] for one in style["label"]] == [cloud.notes.styles[one] for one in cloud.notes.style]


def test_the_pages_script_is_valid(cloud: Cloud, tmp_path: Path) -> None:
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    text = write_page([cloud], tmp_path / "latents.html").read_text()
    (tmp_path / "page.js").write_text(re.search(r"<script>\n(.*?)</script>", text, re.DOTALL)[1])  # type: ignore[index]
    subprocess.run(["node", "--check", str(tmp_path / "page.js")], check=True)


def test_an_animation_of_snapshots(notes: StyledNotes, tmp_path: Path) -> None:
    rows = notes.rows[::2][::-1].copy()  # any order
    folder = tmp_path / "run" / "latents"
    folder.mkdir(parents=True)
    assert snapshots(tmp_path / "run") == []
    with pytest.raises(UserError, match="keeps no snapshots"):
        animate(notes, [], tmp_path / "anim")
    random = np.random.default_rng(0)
    for seen in (100, 2000, 30_000):
        latents = random.standard_normal((len(rows), 3)).astype(np.float32)
        save_file({"latent": latents, "row": rows}, folder / f"{seen:08d}.safetensors")
    taken = snapshots(tmp_path / "run")
    assert [one.seen for one in taken] == [100, 2000, 30_000]
    written = animate(notes, taken, tmp_path / "anim", name="wae")
    assert written[0] == tmp_path / "anim.gif"
    assert (len(written) == 2) == bool(shutil.which("ffmpeg"))
    with Image.open(written[0]) as image:
        assert image.n_frames >= 3
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(["run", *(one.name for one in written)])
    with pytest.raises(UserError, match="of another corpus"):
        animate(notes.where(notes.rows < 5), taken, tmp_path / "anim")
    (folder / "00040000.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="cannot be read"):
        snapshots(tmp_path / "run")
    save_file({"latent": np.zeros((2, 3), np.float32), "row": np.arange(2)}, folder / "00040000.safetensors")
    with pytest.raises(UserError, match="of different notes"):
        snapshots(tmp_path / "run")


def test_reconstructions_stand_below_their_notes() -> None:
    levels = np.random.default_rng(0).normal(-40, 10, (24, 12))
    png, svg = rendered(
        lambda: latent_pictures.reconstructions(
            [("bright, C4", (levels, levels)), ("dull, D4", (levels, levels))], ("input", "wae"), seconds=0.5,
            top_hz=4000,
        )
    )  # fmt: skip
    assert png.startswith(b"\x89PNG")
    assert svg.count("<image") == 4
    assert "bright, C4" in svg
