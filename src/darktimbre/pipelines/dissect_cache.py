"""Results kept one by one, so that a killed run goes on where it was and ends with equal figures."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from darktimbre.audio.atomic import atomic_file

Cell = dict[str, torch.Tensor]


class Cells:
    """A folder of results; each lies in a file under the digest of all that it follows from."""

    def __init__(self, folder: Path, *follows_from: Any) -> None:
        """`follows_from`: in JSON's types: digests of bundle, corpus and teacher, settings, seeds."""
        self.folder = folder / hashlib.sha256(json.dumps(follows_from, sort_keys=True).encode()).hexdigest()[:16]

    def cell(self, name: str, make: Callable[[], Cell]) -> Cell:
        """What was kept under a name; made, and kept whole, where there is none or it is damaged."""
        file = self.folder / f"{name}.safetensors"
        try:
            content = file.read_bytes()
            if hashlib.sha256(content[32:]).digest() == content[:32]:
                return load(content[32:])
        except OSError:
            pass
        made = {key: value.detach().contiguous().clone() for key, value in make().items()}
        packed = save(made)
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(file) as temporary:
            temporary.write_bytes(hashlib.sha256(packed).digest() + packed)
        return load(packed)
