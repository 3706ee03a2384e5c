"""A whole report of a small evaluation made by hand: its files, what stands in them, and that they stand alone."""

import json
import re
import wave
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from darktimbre.evaluation import report
from darktimbre.evaluation.results import (
    AttributeScore,
    Control,
    Curve,
    Evaluation,
    Scores,
    Sound,
    System,
    Timing,
    Variation,
)
from darktimbre.report.estimates import Estimate
from darktimbre.report.write import escaped

WILD = 'T<1> & "co" | *x* [y](http://z) `q` $a$ _b_'
NAN = float("nan")


def _control(mean: float, names: tuple[str, ...]) -> Control:
    each = [
        AttributeScore(name, *[Estimate(mean - 0.01 * place, mean - 0.1, mean + 0.1)] * 2)
        for place, name in enumerate(names)
    ]
    each[-1] = AttributeScore(names[-1], Estimate(None))
    return Control(
        300, 12, Estimate(mean, mean - 0.05, mean + 0.05), Estimate(mean, mean - 0.05, mean + 0.05), 1, tuple(each)
    )


def _evaluation() -> Evaluation:
    names = ("Guitar", "Siren", WILD, *(f"attribute {n}" for n in range(24)), "Silence")
    curve = Curve((0.001, 0.1, 1.0), (0.3, 0.2, NAN), (0.2, 0.1, NAN), (0.4, 0.3, NAN), 4, 50)
    dark = System(
        WILD, "darkgan", "ab" * 32, 1.5, {"notes_seen": 24_000, "recipe": {"name": "small"}, "loss": [1, 2]},
        scores={
            "train": Scores(300, Estimate(18.449, spread=0.26), kid=Estimate(0.00067, spread=0.00002),
                fad_infinity=Estimate(20.0, spread=0.4)),
            "held-out": Scores(
                300, Estimate(17.2, spread=0.3), fad=Estimate(36.02), fad_infinity=Estimate(33.1, spread=0.4),
                recall=Estimate(0.4567),
                kid_subsets=Estimate(0.00071, spread=0.00031),
            ),
        },
        control={"train": _control(0.4, names), "held-out": _control(0.31, names)},
        out_of_distribution=curve, increments=replace(curve, increment=(0.0, 1.0, 2.0)),
        variation=Variation(0.25, 0.6, 0.15, 3.1, 5.2, 4, 4, 2), timing=Timing(0.012, 0.009, 0.002, 1.0, 1, "cpu"),
        sounds=(Sound("sounds/a.wav", f"G3 {WILD}", "held-out"), Sound("../outside.wav", "no", "held-out")),
    )  # fmt: skip
    raw = System(
        "raw",
        "untrained",
        scores={
            name: Scores(300, Estimate(1.1, spread=0.01), fad=Estimate(900.0), fad_infinity=Estimate(880.0))
            for name in ("train", "held-out")
        },
    )
    raw = replace(raw, control={"held-out": _control(0.0, names)})
    real = System("real notes", "real", scores={"train": Scores(250, Estimate(20.0, spread=0.2))})
    picture = System("through the picture", "real", facts={"log_spectral_distance_db": 6.213})
    evaluators = {"classifier": {"digest": "ef" * 32}, "embedding": {"name": "yamnet"}, "vocabulary_temperature": 1.0}
    facts = {"corpus": {"name": "c", "digest": "cd" * 32}, "seed": 3, "versions": {"torch": "2.13.0"}, **evaluators}
    return Evaluation(
        (real, picture, raw, dark), facts, {"scored": 300, "reference": 250}, {"notes": 400, "shift_attributes": 2},
        ("notes: 300 instead of 10,000",), ("FAD: no reason",), ("The teacher is evaluator too.",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "sounds").mkdir()
    with wave.open(str(folder / "sounds" / "a.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(3_200))
    report.write(_evaluation(), folder)
    return folder


class _Page(HTMLParser):
    """Tags that are open, ids, addresses, words."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.pointed: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.words = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        self.tags.append(tag)
        self.ids += [held["id"] or ""] if "id" in held else []
        self.pointed += (held.get("aria-labelledby") or "").split()
        address = held.get("href") or held.get("src") or held.get("xlink:href") or ""
        self.pointed += [address[1:]] if address.startswith("#") else []
        self.fetched += [address] if address and not address.startswith("#") else []
        self.pictures += [held] if tag == "svg" else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_stands_alone_and_is_well_formed(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    page = _Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.pointed) <= set(page.ids)
    assert page.fetched
    assert all(address.startswith("data:audio/wav;base64,") for address in page.fetched)
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    assert "@import" not in text
    assert not re.findall(r"url\((?!#)", text)
    assert len(page.pictures) == 6
    assert all(one["role"] == "img" and len(one["aria-label"] or "") > 40 for one in page.pictures)
    for table in re.findall(r"<table.*?</table>", text, flags=re.DOTALL):
        assert 'scope="col"' in table
        assert 'scope="row"' in table
        assert "aria-labelledby" in table


def test_names_with_markup_stay_words(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    assert "T<1>" not in text
    assert WILD in _Page(text).words
    marked = (written / "report.md").read_text(encoding="utf-8")
    assert "T<1>" not in marked
    parsed = "\n".join(line for line in marked.splitlines() if not line.startswith("<summary>"))  # HTML, not Markdown
    assert not re.findall(r"(?<!\\)\]\(http", parsed)
    for figure in (written / "figures").glob("*.svg"):
        ElementTree.parse(figure)  # well-formed
    drawn = ElementTree.parse(written / "figures" / "variation.svg")
    words = ["".join(one.itertext()) for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert any(one.startswith('T<1> & "co" | *x* [y](http') for one in words)  # as text, `$` a dollar


def test_tables_hold_the_figures_rounded(written: Path) -> None:
    marked = (written / "report.md").read_text(encoding="utf-8")
    rows = [line for line in marked.splitlines() if line.startswith(f"| {escaped(WILD)} |")]
    table_1 = next(line for line in rows if "18.45" in line)
    # N, then PIS, IIS, KID, FAD of train and held-out
    assert table_1.endswith("| 300 | **18.45** ± 0.26 ★ | **17.20** ± 0.30 ★ | – | – | 6.70 ± 0.20 | – | – | 36.0 |")
    assert any("| 0.457 |" in line for line in rows)  # recall
    # Mean correlation: of another T than the untrained network is judged by, and so unmarked; of logits marked.
    assert any("| 0.31 [0.26, 0.36] |" in line and "**0.31** [0.26, 0.36] ★" in line for line in rows)
    assert "Soft labels are not marked: they are of different T." in marked
    assert any("| 7 ± 3 |" in line for line in rows)  # KID over subsets: a deviation, no mark
    assert "KID ×10⁻⁴, classifier ↓, held-out" in marked
    assert "the median log-spectral distance of notes to themselves after this round trip is 6.21 dB" in marked
    assert "The teacher is evaluator too." in marked.split("## Keep in mind")[1].split("##")[0]
    guitar = next(line for line in marked.splitlines() if line.startswith("| Guitar |"))
    assert guitar.endswith("| *0.28* | *0.37* | *0.42* | *0.34* | *0.13* |")  # the paper's
    assert "0.31 [0.21, 0.41]" in guitar
    assert "another teacher (Cnn14)" in marked
    assert "0.0120" in marked  # real time factor


def test_what_is_missing_is_a_dash_with_its_reason(written: Path) -> None:
    marked = (written / "report.md").read_text(encoding="utf-8")
    assert "– in a column: no sounds of these conditions; real notes are of one split." in marked
    assert "IIS: it needs a classifier" in marked
    assert "the target or the prediction does not vary, so there is no correlation (Silence)" in marked
    assert "not measured at this δ, or not defined there" in marked
    assert "The sound ../outside.wav is not in the report's folder." in escaped_back(marked)
    assert "its file is missing" in (written / "report.html").read_text(encoding="utf-8")
    assert "FAD: no reason" in marked


def test_what_there_was_stands_beside_what_the_profile_wanted(written: Path, tmp_path: Path) -> None:
    marked = (written / "report.md").read_text(encoding="utf-8")
    assert "| scored | 300 | 400 |" in marked
    assert "| shift attributes | – | 2 |" in marked
    assert "real notes to compare with: 250 instead of 10,000" in marked
    assert "Nothing was reduced" not in marked
    assert "Here only 2 of S are raised, drawn at random." in marked
    full = Evaluation((), {}, {"scored": 10_000, "reference": 10_000})

    def says(evaluation: Evaluation) -> str:
        report.write(evaluation, tmp_path)
        return (tmp_path / "report.md").read_text(encoding="utf-8")

    assert "Nothing was reduced" in says(full)
    assert "table 1 is scored over: 1,248 instead of 10,000" in says(replace(full, counts={"scored": 1_248}))
    reduced = replace(full, counts={"scored": 1_248}, reduced=("table 1: 1,248 notes of each row",))
    assert "instead of" not in says(reduced)
    assert "Nothing was reduced" not in says(replace(full, counts={}))


def escaped_back(text: str) -> str:
    """Markdown without its backslashes."""
    return text.replace("\\", "")


def test_an_equal_evaluation_gives_equal_bytes_and_an_old_figure_goes(written: Path, tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "old.svg").write_text("<svg/>")
    (tmp_path / "figures" / "own.svg").write_text("<svg/>")
    (tmp_path / "report.md").write_text("![earlier](figures/old.svg)")  # and own.svg is somebody else's
    (tmp_path / "report.html").write_text('<meta name="generator" content="darktimbre">')
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "a.wav").write_bytes((written / "sounds" / "a.wav").read_bytes())
    data = json.loads((written / "report.json").read_text(encoding="utf-8"))
    again = Evaluation.from_json(data)
    assert again.to_json() == data == _evaluation().to_json()
    report.write(again, tmp_path)
    (tmp_path / "figures" / "own.svg").unlink()
    names = sorted(one.relative_to(written) for one in written.rglob("*") if one.is_file())
    assert names == sorted(one.relative_to(tmp_path) for one in tmp_path.rglob("*") if one.is_file())
    assert len(names) == 1 + 3 + 12
    for name in names:
        assert (written / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_an_evaluation_of_nothing_is_a_report_too(tmp_path: Path) -> None:
    report.write(Evaluation((), {}, {}), tmp_path)
    assert _Page((tmp_path / "report.html").read_text(encoding="utf-8")).open == []
    assert not (tmp_path / "figures").exists()
    lone = System("dark", "darkgan", scores={"train": Scores(5)}, control={"train": _control(0.1, ("Guitar", "Siren"))})
    report.write(Evaluation((lone,), {"vocabulary_temperature": None, "classifier": None}, {}), tmp_path)
    assert "| dark | 0.10 [0.05, 0.15] | none | 0.00 | 0.10 [0.05, 0.15] | **better** |" in (
        tmp_path / "report.md"
    ).read_text(encoding="utf-8")
