"""Presets survive on disk, a name is never a path, and what else is found in the file's place is not followed."""

import json
import os
from pathlib import Path

import pytest

from darktimbre.instrument import presets as module
from darktimbre.instrument.presets import Presets
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.patch import Patch


def test_presets_survive_and_two_servers_see_each_others(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "presets.json"
    first, second = Presets(file, "ab" * 32), Presets(file)
    assert first.all() == ({}, 0)
    assert first.put("a", Patch(seed=1, attributes={"Drum": 0.5}))
    assert second.put("b", Patch(seed=2))
    assert not first.put("a", Patch(seed=3))
    assert second.all() == ({"a": Patch(seed=3), "b": Patch(seed=2)}, 0)
    assert first.delete("a")
    assert not second.delete("a")
    assert Presets(file).all() == ({"b": Patch(seed=2)}, 0)
    assert [path.name for path in file.parent.iterdir()] == ["presets.json"]


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "..\\x", "/etc/passwd", "a\x00", "a\nb", "x" * 81, "‮", "\ud800", "a\ufffd"]
)
def test_what_cannot_be_a_name_is_refused_and_nothing_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="name"):
        Presets(tmp_path / "p.json").put(name, Patch())
    assert not list(tmp_path.iterdir())


def test_a_name_is_the_same_composed_or_not(tmp_path: Path) -> None:
    presets = Presets(tmp_path / "p.json")
    assert presets.put("Flo\u0308te", Patch(seed=1))  # as macOS writes it
    assert not presets.put("Flöte", Patch(seed=2))
    assert list(presets.all()[0]) == ["Flöte"]
    assert presets.delete("Flo\u0308te")


def test_dots_are_a_name_and_no_path(tmp_path: Path) -> None:
    presets = Presets(tmp_path / "folder" / "p.json")
    presets.put("..", Patch(seed=4))
    assert presets.all()[0] == {"..": Patch(seed=4)}
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "p.json"]


def test_a_link_in_the_files_place_is_neither_read_nor_written_through(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"presets": {"mine": {"seed": 1}}}))
    link = tmp_path / "p.json"
    link.symlink_to(secret)
    for use in (
        lambda: Presets(link).all(),
        lambda: Presets(link).put("a", Patch()),
        lambda: Presets(link).delete("a"),
    ):
        with pytest.raises(UserError, match="link") as refused:
            use()
        assert str(tmp_path) not in str(refused.value)
    assert json.loads(secret.read_text()) == {"presets": {"mine": {"seed": 1}}}


def test_pipes_folders_and_giants_in_the_files_place_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "giant").write_bytes(b" " * 200)
    monkeypatch.setattr(module, "LARGEST", 100)
    for name in ("pipe", "folder", "giant"):
        with pytest.raises(UserError, match="cannot be used"):
            Presets(tmp_path / name).all()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"presets": []}', '{"presets": 3}', "[" * 100_000, "\x00"])
def test_a_damaged_file_is_reported_and_not_overwritten(tmp_path: Path, content: str) -> None:
    file = tmp_path / "p.json"
    file.write_text(content)
    for use in (Presets(file).all, lambda: Presets(file).put("a", Patch())):
        with pytest.raises(UserError, match="mend it or move it away"):
            use()
    assert file.read_text() == content


def test_entries_that_are_no_patches_are_counted_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    later = {"version": 2, "seed": 1}
    file.write_text(json.dumps({"presets": {"good": {"seed": 1}, "later": later, "a/b": {}, "worse": None}}))
    presets = Presets(file)
    assert presets.all() == ({"good": Patch(seed=1)}, 3)
    presets.put("new", Patch())
    assert json.loads(file.read_text())["presets"]["later"] == later


def test_half_a_character_in_the_file_is_kept_and_hinders_nothing(tmp_path: Path) -> None:
    file = tmp_path / "presets.json"
    file.write_text('{"presets": {"\\ud800": {}}}')
    presets = Presets(file)
    presets.put("ünï ♫", Patch(seed=1))
    assert presets.all() == ({"ünï ♫": Patch(seed=1)}, 1)
    assert "\\ud800" in file.read_text()


def test_there_are_so_many_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    presets = Presets(tmp_path / "p.json")
    presets.put("a", Patch())
    presets.put("b", Patch())
    with pytest.raises(UserError, match="2 presets already"):
        presets.put("c", Patch())
    presets.put("b", Patch(seed=1))  # replacing is no more
    presets.delete("a")
    presets.put("c", Patch())
    assert list(presets.all()[0]) == ["b", "c"]
