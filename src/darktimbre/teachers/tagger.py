"""Protocols of frozen networks, sound → embedding and sound → logits; and the one way to load one by its name."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from darktimbre.notes.errors import UserError
from darktimbre.teachers.weights import locate

if TYPE_CHECKING:
    from torch import Tensor

NAMES = ("yamnet", "cnn14", "cnn14-16k", "embedded")
"""The teachers, for `load`."""
EMBEDDERS = (*NAMES, "vggish")
"""The networks for `load_embedder`: the teachers, and those without labels."""


@runtime_checkable
class Embedder(Protocol):
    """A frozen network that describes sounds by an embedding.

    Attributes:
        name: one of `EMBEDDERS`.
        digest: SHA-256 (hexadecimal) of the file its weights came from.
        sample_rate: rate in Hz of the waves it wants.
    """

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def sample_rate(self) -> int: ...

    def embed(self, waves: "Tensor") -> "Tensor":
        """(batch, sample) in [-1, 1] at `sample_rate`, any length → (batch, dimension) float32."""
        ...


@runtime_checkable
class Tagger(Embedder, Protocol):
    """A network that also predicts labels: a teacher. Its embedding is what the logits are a linear map of.

    Attributes:
        labels: AudioSet display names, in the order of the logits.
    """

    @property
    def labels(self) -> tuple[str, ...]: ...

    def logits(self, waves: "Tensor") -> "Tensor":
        """(batch, sample) in [-1, 1] at `sample_rate`, any length → (batch, label) float32, before the sigmoid."""
        ...


def load_embedder(name: str, device: str = "cpu", weights: Path | str | None = None) -> Embedder:
    """The network called `name`, a teacher or not, on `device`; arguments and errors as in `load`."""
    if name not in EMBEDDERS:
        raise UserError(f"There is no embedding called {name!r}; choose one of {', '.join(EMBEDDERS)}.")
    path = Path(weights) if weights is not None else None
    if path is not None and not path.is_file():
        raise UserError(f"There is no weights file {path}.")
    _check_device(device)
    if name == "embedded":
        from darktimbre.teachers.embedded import EmbeddedTagger

        return EmbeddedTagger.load(path, device=device)
    path = path or locate(name)
    if name == "vggish":
        from darktimbre.teachers.vggish import VggishEmbedder

        return VggishEmbedder.load(path, device=device)
    if name == "yamnet":
        from darktimbre.teachers.yamnet import YamnetTagger

        return YamnetTagger.load(path, device=device)
    from darktimbre.teachers.cnn14 import Cnn14Tagger

    return Cnn14Tagger.load(path, name=name, device=device)


def load(name: str, device: str = "cpu", weights: Path | str | None = None) -> Tagger:
    """The teacher called `name`, on `device`.

    Args:
        name: one of `NAMES`.
        device: a torch device, e.g. "cpu" or "cuda".
        weights: a weights file; by default the one kept by `darktimbre weights`, or shipped (`embedded`).

    Raises:
        UserError: there is no such teacher or device, its weights are not on this machine, or the file is not what it
            should be.
    """
    if name == "vggish":
        raise UserError(
            f"VGGish has no labels: it describes sounds for evaluation and cannot be a teacher; choose one of "
            f"{', '.join(NAMES)}."
        )
    if name not in NAMES:
        raise UserError(f"There is no teacher called {name!r}; choose one of {', '.join(NAMES)}.")
    return cast(Tagger, load_embedder(name, device, weights))


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):  # torch says either, by device, when it was built without it
        raise UserError(f"The device {device!r} cannot be used here; take cpu, which is always there.") from None
