"""The page in a real browser, and the units of its code in Node: both are run by Node, and reported here test by test.

`make browser` brings what they need. Where it is absent the tests are skipped with that reason; in CI they fail.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BROWSER = Path(__file__).resolve().parents[1] / "browser"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
LONGEST = 600  # s; a busy machine of two cores takes some 90


def _lacking(*, chromium: bool) -> str:
    """What is missing, as a sentence; empty when all is there."""
    if not shutil.which("node"):
        return "Node is not installed: apt install nodejs npm"
    if chromium and not (BROWSER / "node_modules" / "playwright-core").is_dir():
        return "playwright-core is not installed: make browser"
    if chromium and not os.environ.get("CHROMIUM") and not any(map(shutil.which, CHROMIUMS)):
        return "Chromium is not installed: apt install chromium"
    return ""


def _run(*tests: Path, chromium: bool) -> str:
    """Runs Node's test runner and returns what it says; fails with that when a test of it fails."""
    if lacking := _lacking(chromium=chromium):
        if os.environ.get("CI"):
            pytest.fail(lacking)
        pytest.skip(lacking)
    assert tests
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    # The page's .js files are modules, with no package.json to say so; Node finds out by itself from version 23 on.
    modules = ["--experimental-default-type=module"] if int(version[1:].split(".")[0]) < 23 else []
    done = subprocess.run(
        ["node", *modules, "--test", "--test-reporter=tap", *map(str, tests)],
        cwd=BROWSER,
        env={**os.environ, "DARKTIMBRE_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    said = done.stdout + done.stderr
    print(said)
    # TAP of Node indents the tests of a file; a failure comes with its whole report.
    failed = re.findall(r"^\s*not ok \d+ - (.*)$", said, re.MULTILINE)
    if done.returncode or failed:
        pytest.fail(f"{len(failed)} failed: {'; '.join(failed)}\n{said[-20_000:]}", pytrace=False)
    passed = re.search(r"^# pass (\d+)$", said, re.MULTILINE)
    assert passed, said
    assert int(passed[1]) > 0, said
    return said


@pytest.mark.parametrize("folder", ["unit", "unit-ui"])
def test_units_of_the_page(folder: str) -> None:
    _run(*sorted((BROWSER / folder).glob("*.test.mjs")), chromium=False)


@pytest.mark.parametrize("file", ["play.test.mjs", "space.test.mjs"])
def test_page_plays_the_rendered_note_in_chromium(file: str) -> None:
    _run(BROWSER / file, chromium=True)
