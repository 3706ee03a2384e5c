"""The network by onnxruntime instead of torch: what generates a synthesizer's spectrograms where that is faster."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from darktimbre.notes.errors import UserError

REMEDY = "install it with `pip install 'darktimbre[onnx]'`"
DIGEST = "darktimbre.digest"  # the key, among an ONNX file's own properties, of the digest of the instrument's weights


class Network(Protocol):
    """A network in another runtime than torch, with that one's name."""

    name: str

    def __call__(self, latent: Tensor, condition: Tensor) -> Tensor:
        """latent `(batch, latent)`, condition `(batch, size)` → `(batch, channel, frequency, frame)`."""


class OnnxNetwork:
    """A network exported as ONNX (`darktimbre.export.onnx`), run by onnxruntime on the CPU.

    Its pictures are the folded network's within rounding (the export's test states the error), and the same to the bit
    from call to call.
    """

    name = "onnx"

    def __init__(self, path: str | Path, *, digest: str | None = None, threads: int | None = None) -> None:
        """Loads the file.

        Args:
            path: an ONNX file with the inputs `latent` and `condition` and the output `picture`.
            digest: of the instrument it must belong to; None takes any.
            threads: how many compute one call; None: as many as torch would use.

        Raises:
            UserError: onnxruntime is not installed, or the file is not such a network.
        """
        onnxruntime = require_onnxruntime()
        self.threads = threads or torch.get_num_threads()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors alone
        # Waiting threads sleep: spinning ones would take the cores from the page's server and from torch's inversion.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common base but this
            raise UserError(f"onnxruntime cannot load {path} ({_first_line(error)}); export it anew.") from error
        inputs = {one.name for one in self._session.get_inputs()}
        if inputs != {"latent", "condition"} or "picture" not in {one.name for one in self._session.get_outputs()}:
            raise UserError(f"{path} is no network of darktimbre: it does not make `picture` of `latent`, `condition`.")
        found = self._session.get_modelmeta().custom_metadata_map.get(DIGEST)
        if digest is not None and found != digest:
            raise UserError(f"{path} was exported from another instrument; export it anew.")

    def __call__(self, latent: Tensor, condition: Tensor) -> Tensor:
        """latent `(batch, latent)`, condition `(batch, size)` → picture `(batch, channel, frequency, frame)`."""
        fed = {"latent": _plain(latent), "condition": _plain(condition)}
        (picture,) = self._session.run(["picture"], fed)
        return torch.from_numpy(picture)


def _plain(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.numpy(), np.float32)


def require_onnxruntime() -> Any:
    """The package onnxruntime. Raises UserError: it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"onnxruntime is not installed: {REMEDY}.") from error
    return onnxruntime


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
