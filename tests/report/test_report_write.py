"""The renderers: one template as Markdown and as a page that stands alone, whatever characters names hold."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from darktimbre.notes.errors import UserError
from darktimbre.report import cards
from darktimbre.report.estimates import Estimate
from darktimbre.report.figures import COLOURS, Dot, Style, canvas, dots
from darktimbre.report.own import refuse_foreign
from darktimbre.report.tables import Cell, Column, Comparison, Table, column, comparison_table, facts_table, ranked
from darktimbre.report.write import escaped, render, sound_address, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WILD = '<b>T</b> & "co" | *x* [y](http://z) `q` _b_'
RANKED = ranked([Estimate(1.0, 0.9, 1.1), Estimate(2.0, 1.9, 2.1), Estimate(None)], 1, [True] * 3, 1)
TABLE = Table(
    "sample", "name", ["one", WILD, "grey"],
    [
        column("words", ["a", "b", None], words=True),
        Column("train", RANKED, "FAD"),
        Column("held-out", (Cell("3"), Cell("4", mark="tied"), Cell("5", grey=True)), "FAD"),
    ],
    ["", "others", "others"],
)  # fmt: skip


def draw(height: float) -> "Figure":
    figure = canvas(height)
    style = Style(COLOURS[0], "solid", "o")
    dots(figure.add_subplot(), [Dot(style, Estimate(1.0, 0.5, 1.5), Estimate(2.0, spread=0.1), WILD)])
    return figure


def written(folder: Path, **changed: Any) -> tuple[str, str]:
    (folder / "a sound.wav").write_bytes(b"RIFF")
    figures = {"drawn": partial(draw, 2.0)}
    given = {"name": WILD, "table": TABLE, "figures": figures, **changed}
    write(folder, "sample.jinja", {"one": 1}, package="tests.report", stem="sample", **given)
    return tuple((folder / f"sample.{suffix}").read_text(encoding="utf-8") for suffix in ("md", "html"))  # type: ignore[return-value]


def test_markdown_reads_as_text_and_names_stay_words(tmp_path: Path) -> None:
    text, _ = written(tmp_path)
    name = escaped(WILD)
    assert text.startswith(f"# {name}\n\n## First &amp; foremost\n\nTwo lines of {name}, one paragraph.\n")
    assert f"- {name}\n- 1\\. two\n" in text
    table = text[text.index("Caption of") :].split("\n\n")[1].splitlines()
    assert table[:4] == [
        "| name | words | FAD, train | FAD, held-out |", "|---|---|---:|---:|", "| one | a | 1.0 [0.9, 1.1] | 3 |",
        "| *others* | | | |",
    ]  # fmt: skip
    assert table[4] == f"| {name} | b | **2.0** [1.9, 2.1] ★ | 4 ≈ |"
    assert table[5] == "| grey | – | – | *5* |"
    assert "<sub>A note.</sub>" in text
    assert f"![what it shows of {name}](figures/drawn.png)\n\nIts caption." in text
    assert "not-drawn" not in text
    assert "<summary>More of &lt;b&gt;T&lt;/b&gt; &amp; &#34;co&#34;" in text
    assert f"- {name}: [one](a%20sound.wav) · [two](../outside.wav)" in text
    assert "<b>" not in text


def test_the_page_holds_everything_and_fetches_nothing(tmp_path: Path) -> None:
    _, page = written(tmp_path)
    assert "<b>" not in page
    assert page.count("&lt;b&gt;T&lt;/b&gt; &amp; &#34;co&#34;") > 8
    assert 'src="data:audio/wav;base64,UklGRg=="' in page
    assert page.count("its file is missing") == 1
    assert '<th scope="colgroup" colspan="2">FAD</th>' in page
    assert '<th class="group" scope="rowgroup" colspan="4"><span>others</span></th>' in page
    assert '<span class="mark" role="img" aria-label="best, clear of all others">★</span>' in page
    assert "<svg " in page
    assert 'id="drawn-figure_1"' in page  # ids of several figures do not meet
    assert "var(--series-0)" in page  # the theme's colours, light and dark
    assert COLOURS[0] not in page.split("</style>", 1)[1]
    assert "default-src 'none'" in page
    assert '<a href="#s-first">First &amp; foremost</a>' in page


def test_equal_values_give_equal_bytes_and_an_old_figure_goes(tmp_path: Path) -> None:
    first = written(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert set(before) == {"drawn.png", "drawn.svg"}
    assert written(tmp_path) == first
    assert {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()} == before
    (tmp_path / "figures" / "mine.png").write_bytes(b"mine")
    written(tmp_path, figures={})
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["mine.png"]
    assert (tmp_path / "sample.json").read_text(encoding="utf-8") == '{\n "one": 1\n}\n'


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(Exception, match="'table' is undefined"):
        render("tests.report", "sample.jinja", "html", name="x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. a\nb|c<d>", "1\\. a b\\|c\\<d\\>"),
        ("1.5 [0.3, 2]", "1.5 [0.3, 2]"),  # an interval is no link
        ("[1](x) [2][a]", "\\[1\\](x) \\[2\\]\\[a\\]"),
        ("- a", "\\- a"),
    ],
)
def test_text_is_escaped_for_markdown(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_a_sound_is_embedded_only_from_the_reports_folder(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "outside.wav").write_bytes(b"RIFF")
    (tmp_path / "report" / "notes.txt").write_bytes(b"RIFF")
    assert sound_address(tmp_path, "outside.wav") == "data:audio/wav;base64,UklGRg=="
    for file in ("../outside.wav", "notes.txt", "missing.wav"):
        assert sound_address(tmp_path / "report", file) is None


def test_a_comparison_shows_both_figures_their_difference_and_the_verdict() -> None:
    good, bad, none = Estimate(2.0, 1.9, 2.1), Estimate(1.0, 0.9, 1.1), Estimate(1.0)
    rows = [
        Comparison("g", "score", ("a", good), ("b", bad), 1, 1),
        Comparison("g", "error", ("a", good), ("b", bad), -1, 1),
        Comparison("g", "other", ("a", good), ("b", none), 1, 1),
        Comparison("g", "aim", ("a", good), ("b", bad), 0, 1),
        Comparison("g", "pairs", ("a", good), ("b", bad), 1, 1, paired=Estimate(1.0, -0.1, 2.1)),
    ]
    shown = {
        heading: [f"{one.text} {one.interval}".strip() for one in cells]
        for _, heading, _, cells in comparison_table("t", rows).rows
    }
    assert shown["score"] == ["a", "2.0 [1.9, 2.1]", "b", "1.0 [0.9, 1.1]", "1.0 [0.8, 1.2]", "better"]
    assert [shown[name][-1] for name in ("error", "other", "aim", "pairs")] == ["worse", "undecided", "–", "undecided"]
    assert shown["pairs"][4] == "1.0 [−0.1, 2.1]"


def test_facts_are_flattened_and_digests_are_code() -> None:
    digest = "0123456789abcdef" * 4
    table = facts_table("facts", {"a_b": {"c": 12_345, "d": None}, "e": [1, 2.0], "f": True, "digest": digest})
    assert [(heading, cells[0].text) for _, heading, _, cells in table.rows] == [
        ("a b: c", "12,345"), ("a b: d", "–"), ("e", "1, 2"), ("f", "yes"), ("digest", digest)
    ]  # fmt: skip
    assert [cells[0].code for _, _, _, cells in table.rows] == [False] * 4 + [True]


def test_what_is_no_report_is_never_replaced(tmp_path: Path) -> None:
    own = tmp_path / "own"
    cards.write(own, "One", "", [], {})
    cards.write(own, "Two", "", [], {})  # one's own is replaced
    for name in ("report.html", "report.json", "classes.md"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(UserError, match=f"{name} is there and is no report by darktimbre: name another folder"):
            refuse_foreign(folder)
        assert (folder / name).read_text() == "mine"
    with pytest.raises(UserError, match="no report"):
        cards.write(tmp_path / "report.html", "One", "", [], {})
    assert [one.name for one in (tmp_path / "report.html").iterdir()] == ["report.html"]
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    page = (own / "report.html").read_text().replace('<meta name="generator" content="darktimbre">\n', "")
    (earlier / "report.html").write_text(page)
    refuse_foreign(earlier)
