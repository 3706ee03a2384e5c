"""What the README promises: its Python example runs as it stands, and its commands exist."""

import json
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.bundle.tiny import tiny_bundle
from typer.testing import CliRunner

from darktimbre.audio import files
from darktimbre.bundle import where
from darktimbre.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced code of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_python_example_runs_as_it_stands(tmp_path, monkeypatch) -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 6
    monkeypatch.chdir(tmp_path)
    if not where.has_starter():
        tiny_bundle().save_pretrained(tmp_path / "tiny")
        monkeypatch.setattr(where, "shipped_folder", lambda _name: tmp_path / "tiny")
    space: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), space)
    waves, instrument = space["waves"], space["instrument"]
    assert isinstance(waves, np.ndarray)
    assert waves.shape == (3, instrument.samples)  # type: ignore[attr-defined]
    assert waves.dtype == np.float32
    assert files.read(tmp_path / "bowl.wav").rate == instrument.sample_rate  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_what_the_examples_of_the_docs_import_exists(page: Path) -> None:
    for code in blocks("python", page.read_text(encoding="utf-8")):
        lines = [line for line in code.splitlines() if line.startswith("from darktimbre")]
        compile(code, page.name, "exec")
        exec("\n".join(lines), {})


def commands() -> list[list[str]]:
    """Every `darktimbre …` line of the shell blocks of README and docs, without comments."""
    texts = [README, *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))]
    joined = [block.replace("\\\n", " ") for text in texts for block in blocks("sh", text)]
    lines = [line for block in joined for line in block.splitlines()]
    return [words[1:] for line in lines if (words := shlex.split(line, comments=True)) and words[0] == "darktimbre"]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_and_option_exists(words: list[str]) -> None:
    verbs = []
    for word in words:  # `import folder`, `synth random`, but not a verb's own arguments
        if word.startswith("-") or len(verbs) == (
            2 if words[0] in ("bench", "export", "hub", "import", "synth", "weights") else 1
        ):
            break
        verbs.append(word)
    shown = CliRunner().invoke(app, [*verbs, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    for option in (word for word in words if word.startswith("--")):
        assert option in shown.output


def test_every_make_target_and_linked_file_exists() -> None:
    rules = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    documents = [
        README,
        *((ROOT / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "ARCHITECTURE.md")),
    ]
    for target in {name for text in documents for name in re.findall(r"(?:^|`)\s*make ([a-z]+)", text, re.MULTILINE)}:
        assert target in rules, target
    for text in documents:
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            assert (ROOT / link).exists(), link


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bundle that ships, and a stand-in for the notebook's own display."""
    if not where.has_starter():
        pytest.skip("this installation ships no starter")
    heard: list[tuple[np.ndarray, int]] = []
    shown = SimpleNamespace(Audio=lambda wave, rate: (wave, rate), display=heard.append)
    monkeypatch.setitem(
        sys.modules, "IPython", SimpleNamespace(display=shown, get_ipython=lambda: None, version_info=(9, 0))
    )
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    cells = json.loads((ROOT / "docs/first-sounds.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell.get("outputs") for cell in cells), "outputs are not kept"
    space: dict[str, object] = {}
    for number, cell in enumerate(code):
        exec(compile(cell, f"cell {number}", "exec"), space)
    assert [len(wave) for wave, _ in heard] == [space["notes"].size] * 2  # type: ignore[attr-defined]
    assert len(list((tmp_path / "sounds").glob("*.wav"))) == 4


def test_the_script_that_finds_bright_sliders_runs(capsys: pytest.CaptureFixture[str]) -> None:
    if not where.has_starter():
        pytest.skip("this installation ships no starter")
    (code,) = blocks("python", (ROOT / "docs/dull.md").read_text(encoding="utf-8"))
    space: dict[str, object] = {}
    exec(compile(code, "dull.md", "exec"), space)
    bright = space["bright"]
    assert isinstance(bright, list)
    assert 0 < bright[0][0] < bright[-1][0] < space["instrument"].sample_rate / 2  # type: ignore[attr-defined]
    assert capsys.readouterr().out.startswith("baseline")
