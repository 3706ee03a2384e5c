"""A bundle's folder → the Hugging Face hub, whence `where.find` fetches it: its parts, with a complete card."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub

from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.card import model_card
from darktimbre.bundle.where import CARD, CONFIG, find, is_part
from darktimbre.notes.errors import UserError

_TARGET = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_KEPT = (CARD, ".gitattributes")  # what a repository has before anything is put there
_UNNAMED = "not stated"
TASK = "text-to-audio"


@dataclass(frozen=True)
class Upload:
    """What would be sent: file name → its path, or the text of the card."""

    target: str
    files: dict[str, Path | bytes]
    licence: str
    tags: tuple[str, ...]
    metrics: int

    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {name: len(one) if isinstance(one, bytes) else one.stat().st_size for name, one in self.files.items()}


def prepare(name: str, target: str, licence: str | None = None) -> Upload:
    """Reads a bundle as a player would, and completes its card: licence, tags, figures on held-out notes.

    Args:
        name: a bundle's folder or a shipped instrument.
        target: OWNER/NAME on the hub.
        licence: of the weights, by its name on the hub, such as "cc-by-4.0"; that of the bundle's card if left out.

    Raises:
        UserError: it is no bundle, the target is no name of a repository, or no licence is known.
    """
    if not _TARGET.fullmatch(target):
        raise UserError(f"{target!r} is no name of a repository: give OWNER/NAME, of letters, digits, -, _ and dots.")
    folder = find(name)
    bundle = Bundle.from_pretrained(folder)  # what does not load is not sent
    form = bundle.form
    card = huggingface_hub.ModelCard(model_card(form.template, bundle.config, bundle.weights, form.tags))
    data: Any = card.data
    if licence is not None:
        data.license, data.license_name = licence.strip().lower(), None
    known = data.license if data.license not in (None, "other") else data.get("license_name")
    if known in (None, "", _UNNAMED):
        raise UserError(f"{name} names no licence of its sounds: give that of the weights, as in --licence cc-by-4.0.")
    results = list(_results(bundle.config.get("metrics") or {}))
    data.pipeline_tag = TASK
    if results:
        data.model_name, data.eval_results = target.partition("/")[2], results
    card.text = card.text.replace("path or user/name", target)
    files: dict[str, Path | bytes] = {
        one.name: one for one in sorted(folder.iterdir()) if one.is_file() and is_part(one) and one.name != CARD
    }
    files[CARD] = str(card).encode()
    return Upload(target, files, str(known), tuple(data.tags or ()), len(results))


def _results(metrics: Mapping[str, Any]) -> Iterator[huggingface_hub.EvalResult]:
    """The figures on held-out notes that have an interval or an error, as the hub's `model-index` has them."""
    evaluation = metrics.get("evaluation") or {}
    for metric, entry in evaluation.items():
        if isinstance(entry, Mapping) and isinstance(entry.get("value"), int | float):
            yield huggingface_hub.EvalResult(
                task_type=TASK, dataset_type="darktimbre", dataset_name=str(evaluation.get("corpus", "held-out notes")),
                metric_type=metric, metric_name=metric.replace("_", " "), metric_value=entry["value"],
            )  # fmt: skip


def push(upload: Upload, *, private: bool = False, endpoint: str | None = None) -> str:
    """Sends it in one commit, by the client's own login; the repository is made if need be.

    Args:
        private: of a repository that is made; one that is there stays as it is.
        endpoint: address of the hub; the client's own if left out.

    Returns:
        The address of the repository.

    Raises:
        UserError: there is no login, the hub refuses, cannot be reached, or holds something else under this name.
    """
    if huggingface_hub.get_token() is None:
        raise UserError("There is no login for the Hugging Face hub on this machine: run `hf auth login` first.")
    api = huggingface_hub.HfApi(endpoint=endpoint, library_name="darktimbre")
    try:
        try:
            there = set(api.list_repo_files(upload.target))
        except huggingface_hub.errors.RepositoryNotFoundError:
            api.create_repo(upload.target, private=private)
            there = set()
        if CONFIG not in there and there - set(_KEPT):
            raise UserError(f"{upload.target} holds something that is no bundle: choose another name.")
        add, delete = huggingface_hub.CommitOperationAdd, huggingface_hub.CommitOperationDelete
        added = [add(name, one if isinstance(one, bytes) else str(one)) for name, one in upload.files.items()]
        # Parts of the bundle that was there before would be read as parts of this one.
        gone = [delete(name) for name in sorted(there - set(upload.files)) if "/" not in name and is_part(Path(name))]
        api.create_commit(upload.target, [*added, *gone], commit_message="A bundle, by darktimbre hub push")
    except UserError:
        raise
    except Exception as error:  # httpx's errors are neither OSErrors nor the client's own
        raise UserError(_refusal(upload.target, error)) from error
    return f"{api.endpoint}/{upload.target}"


def _refusal(target: str, error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"The hub does not let this login write to {target} ({status}): `hf auth login` with a token that may."
    if status is not None:
        return f"The hub answered {status} for {target}: nothing was changed there; try again later."
    return f"The Hugging Face hub cannot be reached ({type(error).__name__}): check the connection and run it again."
