"""Whether a file in a report's folder is an earlier report, which may be replaced, or somebody else's."""

from pathlib import Path

from darktimbre.notes.errors import UserError
from darktimbre.notes.text import quoted

STEMS = ("report", "latents", "classes")
SIGNS = ('<meta name="generator" content="darktimbre">', "content=\"default-src 'none'; style-src 'unsafe-inline';")
"""In the head of every report's page; pages of version 0.1 have the second alone."""


def refuse_foreign(folder: Path, *stems: str) -> None:
    """Looks for pages of these names, by default of any that reports have, that are no reports.

    Raises:
        UserError: there is one, or its JSON or Markdown without a page; nothing is to be written there.
    """
    for stem in stems or STEMS:
        page, others = folder / f"{stem}.html", [folder / f"{stem}.{suffix}" for suffix in ("json", "md")]
        foreign = [page] if page.exists() and not _is_report(page) else []
        foreign += [one for one in others if one.exists() and not page.exists()]
        if foreign:
            raise UserError(f"{quoted(foreign[0])} is there and is no report by darktimbre: name another folder.")


def _is_report(page: Path) -> bool:
    if not page.is_file():
        return False
    with page.open(encoding="utf-8", errors="replace") as file:
        head = file.read(4096)
    return any(sign in head for sign in SIGNS)
