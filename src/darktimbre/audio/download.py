"""A file from the network, by HTTPS alone, and its digest; only what a user asks to fetch comes this way."""

import hashlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib import request

from darktimbre.notes.errors import UserError

CHUNK = 1 << 20  # bytes


def sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Unreachable(Exception):
    """The address gives no answer; the text is the reason."""


def download(
    address: str, target: Path, *, limit: int, what: str, progress: Callable[[int, int | None], None] | None = None
) -> None:
    """Streams an address to a file.

    Args:
        address: HTTPS, as are all that it redirects to.
        target: the file.
        limit: bytes after which the download is cut off as not being this file.
        what: the file's content, for messages.
        progress: called with (bytes so far, bytes in all or None).

    Raises:
        UserError: it is no HTTPS address, redirects to another, sends too much, or breaks off.
        Unreachable: there is no connection.
    """
    if not address.startswith("https://"):
        raise UserError(f"{address} is not an HTTPS address.")

    class OnlyHttps(request.HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            if not newurl.startswith("https://"):
                raise UserError(f"{address} redirects to {newurl}, which is not HTTPS; nothing was fetched.")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    done, wanted = 0, request.Request(address, headers={"User-Agent": "darktimbre"})
    try:
        with request.build_opener(OnlyHttps).open(wanted, timeout=30) as answer, target.open("wb") as file:
            length = answer.headers.get("Content-Length")
            whole = int(length) if length and length.isdigit() else None
            while block := answer.read(CHUNK):
                done += len(block)
                if done > limit:
                    raise UserError(f"{address} sends more than {limit >> 20} MB: that is not {what}.")
                file.write(block)
                if progress is not None:
                    progress(done, whole)
    except (OSError, HTTPException) as error:  # URLError and time-outs are among the former
        raise Unreachable(str(getattr(error, "reason", error))) from None
    if whole is not None and done != whole:
        raise UserError(f"The download of {address} broke off at {done} of {whole} bytes: try again.")
