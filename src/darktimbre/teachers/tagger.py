"""What every teacher is: a protocol of sound → logits, and the one way to get a teacher by its name."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

NAMES = ("yamnet", "cnn14", "cnn14-16k", "embedded")
"""The teachers that `load` knows."""


@runtime_checkable
class Tagger(Protocol):
    """A frozen network that listens.

    Attributes:
        name: one of `NAMES`.
        digest: SHA-256 (hexadecimal) of the file its weights came from.
        sample_rate: rate in Hz of the waves it wants.
        labels: AudioSet display names, in the order of the logits.
    """

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def labels(self) -> tuple[str, ...]: ...

    def logits(self, waves: "Tensor") -> "Tensor":
        """(batch, sample) in [-1, 1] at `sample_rate`, any length → (batch, label) float32, before the sigmoid."""
        ...

    def embed(self, waves: "Tensor") -> "Tensor":
        """(batch, sample) → (batch, dimension) float32: the layer that the logits are a linear map of."""
        ...


def load(name: str, device: str = "cpu", weights: Path | str | None = None) -> Tagger:
    """The teacher called `name`, ready to listen on `device`.

    Args:
        name: one of `NAMES`.
        device: a torch device, e.g. "cpu" or "cuda".
        weights: a weights file; by default the one kept by `darktimbre weights`, or shipped (`embedded`).

    Raises:
        UserError: there is no such teacher or device, its weights are not on this machine, or the file is not what it
            should be.
    """
    if name not in NAMES:
        raise UserError(f"There is no teacher called {name!r}; choose one of {', '.join(NAMES)}.")
    path = Path(weights) if weights is not None else None
    if path is not None and not path.is_file():
        raise UserError(f"There is no weights file {path}.")
    _check_device(device)
    if name == "embedded":
        from darktimbre.teachers.embedded import EmbeddedTagger

        return EmbeddedTagger.load(path, device=device)
    if path is None:
        from darktimbre.teachers.weights import locate

        path = locate(name)
    if name == "yamnet":
        from darktimbre.teachers.yamnet import YamnetTagger

        return YamnetTagger.load(path, device=device)
    from darktimbre.teachers.cnn14 import Cnn14Tagger

    return Cnn14Tagger.load(path, name=name, device=device)


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):  # torch says either, by device, when it was built without it
        raise UserError(f"The device {device!r} cannot be used here; take cpu, which is always there.") from None
