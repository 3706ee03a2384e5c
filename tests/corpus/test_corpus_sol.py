"""Studio On Line: style tags, pitch and dynamics from the names of folders and files, or from TinySOL's table."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.conftest import Run

from darktimbre.corpus.ingest import Summary
from darktimbre.corpus.sol import TABLE, import_sol, read_sol_name
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.notes.pitch import note_name

HEADER = (
    "Path,Fold,Family,Instrument (abbr.),Instrument (in full),Technique (abbr.),Technique (in full),Pitch,Pitch ID,"
    "Dynamics,Dynamics ID,Instance ID,String ID (if applicable),Needed digital retuning"
)


def put(src: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = src / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(
            path, 0.5 * np.sin(np.arange(3200) * 2 * np.pi * (200 + 7 * number + len(name)) / 16_000), 16_000
        )


def imported(src: Path, **settings: object) -> tuple[Summary, dict[str, Note]]:
    summary = import_sol(src, src.with_name("out"), seconds=0.2, workers=1, overwrite=True, **settings)  # type: ignore[arg-type]
    notes = map(summary.corpus.note, range(summary.accepted))
    return summary, {Path(note.origin).name: note for note in notes}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    (tmp_path / "SOL").mkdir()
    return tmp_path / "SOL"


@pytest.mark.parametrize(
    ("file", "instrument", "mute", "technique", "pitch", "dynamics", "transposed"),
    [
        ("TinySOL/Brass/Bass_Tuba/ordinario/BTb-ord-A#1-ff-N-N.wav", "Bass Tuba", "", "ordinario", 34, "ff", 0),
        ("Strings/Violin/pizzicato_l_vib/Vn-pizz_lv-A3-mf-4c-N.wav", "Violin", "", "pizzicato l vib", 57, "mf", 0),
        ("Brass/Trumpet_C+sordina_cup/flatterzunge/TpC+SC-flatt-A4-mf-N-N.wav", "Trumpet C", "sordina cup",
         "flatterzunge", 69, "mf", 0),
        ("Brass/Bass_Tuba/ordinario/BTb-ord-G#1-pp-N-T10u_R100u.wav", "Bass Tuba", "", "ordinario", 32, "pp", 1),
        ("Keyboards/Accordion/ordinario/Acc-ord-C6-mf-alt2-R100d.wav", "Accordion", "", "ordinario", 84, "mf", -1),
        ("Winds/Oboe/multiphonics/Ob-mul-A3_C5-p-N-N.wav", "Oboe", "", "multiphonics", None, "p", 0),
        ("Winds/Oboe/key_click/Ob-key_cl-N-N-N-N.wav", "Oboe", "", "key click", None, "", 0),
        ("Violin/ordinario/Vn-ord-G3-pp.wav", "Violin", "", "ordinario", 55, "pp", 0),  # as old copies name them
    ],
)  # fmt: skip
def test_a_path_says_all(file, instrument, mute, technique, pitch, dynamics, transposed) -> None:
    name = read_sol_name(file)
    assert (name.instrument, name.mute, name.technique) == (instrument, mute, technique)
    assert (name.pitch, name.dynamics, name.transposed) == (pitch, dynamics, transposed)


def test_instrument_technique_and_mute_become_style_tags(src: Path) -> None:
    put(
        src,
        "Strings/Violin/ordinario/Vn-ord-A3-mf-4c-N.wav",
        "Strings/Violin+sordina/ordinario/Vn+S-ord-A3-pp-4c-N.wav",
        "Strings/Violin/tremolo/Vn-trem-A4-ff-2c-N.wav",
        "Winds/Flute/ordinario/Fl-ord-C5-mf-N-N.wav",
        "loops/drum loop.wav",
    )
    summary, notes = imported(src)
    muted = notes["Vn+S-ord-A3-pp-4c-N.wav"]
    assert muted.styles == ("Violin", "ordinario", "sordina")
    assert (muted.pitch, muted.velocity, muted.instrument) == (57, 33, "Violin + sordina")
    assert (muted.category, muted.subcategory, muted.family, muted.source) == (
        "Strings",
        "Violin",
        "string",
        "acoustic",
    )
    assert (notes["Fl-ord-C5-mf-N-N.wav"].family, notes["Vn-trem-A4-ff-2c-N.wav"].styles) == (
        "flute",
        ("Violin", "tremolo"),
    )
    assert [file for file, _ in summary.rejected] == ["loops/drum loop.wav"]
    _, notes = imported(src, styles=("technique",))
    assert muted.id in {note.id for note in notes.values()}
    assert notes["Vn+S-ord-A3-pp-4c-N.wav"].styles == ("ordinario",)


def test_a_tag_that_all_would_have_is_none(src: Path) -> None:
    put(src, "Strings/Violin/ordinario/Vn-ord-A3-mf-4c-N.wav", "Winds/Flute/ordinario/Fl-ord-C5-mf-N-N.wav")
    _, notes = imported(src)
    assert [note.styles for note in notes.values()] == [("Violin",), ("Flute",)]


def test_the_table_is_believed_and_a_part_of_the_sounds_is_enough(src: Path) -> None:
    put(src / "TinySOL", "Brass/BTb/ord/BTb-ord-A#1-ff-N-N.wav", "Brass/Hn/ord/Hn-ord-C4-pp-N-N.wav")
    (src / TABLE).write_text(
        f"{HEADER}\n"
        "Brass/Bass_Tuba/ordinario/BTb-ord-A#1-ff-N-N.wav,0,Brass,BTb,Bass Tuba,ord,ordinario,A#1,34,ff,4,0,,FALSE\n"
        "Brass/Horn/ordinario/Hn-ord-D4-pp-N-N.wav,0,Brass,Hn,French Horn,ord,ordinario,D4,62,pp,0,0,,FALSE\n"
    )
    summary, notes = imported(src)
    assert notes["BTb-ord-A#1-ff-N-N.wav"].subcategory == "Bass Tuba"
    assert notes["Hn-ord-C4-pp-N-N.wav"].subcategory == "Hn"  # the table does not know it
    assert any(remark.startswith("1 sounds that TinySOL_metadata.csv names are not in") for remark in summary.remarks)
    (src / TABLE).write_text("Path,Pitch\na,b\n")
    with pytest.raises(UserError, match=r"no column 'Instrument \(in full\)'"):
        imported(src)


def test_a_transposed_note_lies_in_the_split_of_its_recording(src: Path) -> None:
    names = []
    for pitch in range(36, 60):
        names.append(f"Brass/Horn/ordinario/Hn-ord-{note_name(2 * pitch - 36)}-mf-N-N.wav")
        names.append(f"Brass/Horn/ordinario/Hn-ord-{note_name(2 * pitch - 35)}-mf-N-R100u.wav")
        names.append(f"Brass/Trombone/ordinario/Tbn-ord-{note_name(pitch)}-mf-N-N.wav")
    put(src, *names)
    _, notes = imported(src)
    for note in notes.values():
        if note.origin.endswith("R100u.wav"):
            assert note.pitch is not None
            played = notes[f"Hn-ord-{note_name(note.pitch - 1)}-mf-N-N.wav"]
            assert (note.split, note.split_key) == (played.split, played.split_key)
    for instrument in ("Horn", "Trombone"):
        assert {note.split for note in notes.values() if note.instrument == instrument} == {"train", "valid", "test"}


def test_mistakes_end_in_one_sentence(src: Path, tmp_path: Path, run: Run) -> None:
    put(src, "sounds/kick.wav")
    assert "import folder" in run("import", "sol", src, tmp_path / "c", status=2)
    put(src, "Winds/Oboe/multiphonics/Ob-mul-N-p-N-N.wav")
    assert "knows no 'bow'" in run("import", "sol", src, tmp_path / "c", "--style", "bow", status=2)
    with pytest.raises(UserError, match="No sound in"):
        imported(src, pitched=True)
    assert "There is no folder" in run("import", "sol", tmp_path / "none", tmp_path / "c", status=2)
    run("import", "sol", src, tmp_path / "c", "--max-bad", "100")
