"""VGGish (Hershey et al. 2017) as a torch module of the common port's layout: sound → 128 numbers, no labels.

It is no teacher, but the embedding that most published Fréchet audio distances are taken in (Kilgour et al. 2019). As
there, an embedding is what the last linear layer gives: without the port's last ReLU, and without the rotation and
rounding to 8 bits that the AudioSet release adds.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from darktimbre.notes.errors import UserError
from darktimbre.teachers import logmel
from darktimbre.teachers.digest import sha256

PLAN = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0)
"""Maps of each 3 × 3 convolution; 0 is max pooling by 2."""
HIDDEN, DIMENSION = 4096, 128
GRID = (logmel.PATCH_FRAMES // 16, logmel.BANDS // 16)  # 6 frames × 4 bands are left after four poolings
OFFSET = 0.01  # inside the logarithm
PATCH_HOP = logmel.PATCH_FRAMES * logmel.HOP  # patches do not overlap
AT_ONCE = 32  # patches


class Vggish(nn.Module):
    """The network; its `state_dict` has the names and shapes of `vggish-10086976.pth`.

    Args:
        plan: as `PLAN`.
        hidden: width of the two hidden linear layers.
    """

    def __init__(self, plan: tuple[int, ...] = PLAN, hidden: int = HIDDEN) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for width in plan:
            if width:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True)]
                before = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(before * GRID[0] * GRID[1], hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, DIMENSION),
        )

    def forward(self, patches: Tensor) -> Tensor:
        """(batch, 96 frames, 64 bands) → (batch, 128)."""
        maps = self.features(patches[:, None])
        embedding: Tensor = self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))  # TensorFlow's order: maps last
        return embedding


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of the port's file, every one checked; no pickled code is run.

    Raises:
        UserError: the file is damaged or of another network.
    """
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything from EOFError to UnpicklingError on damaged files
        raise UserError(
            f"{path} can't be read as a VGGish checkpoint: it is damaged, cut short or something else; get it again."
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"{path} is not a VGGish checkpoint: it holds no dictionary of tensors.")
    with torch.device("meta"):
        expected = {key: tuple(value.shape) for key, value in Vggish().state_dict().items()}
    if missing := sorted(expected.keys() - weights.keys()):
        raise UserError(f"{path} is not VGGish: {len(missing)} tensors are missing, first {missing[0]}.")
    # Some copies of the port keep the AudioSet release's rotation beside the network; it is not used.
    if extra := sorted(key for key in weights.keys() - expected.keys() if not key.startswith("pproc.")):
        raise UserError(f"{path} is not VGGish: it has {len(extra)} tensors too many, first {extra[0]}.")
    for key, shape in expected.items():
        if tuple(weights[key].shape) != shape:
            raise UserError(f"{path} is not VGGish: {key} is {tuple(weights[key].shape)} instead of {shape}.")
        if not bool(torch.isfinite(weights[key]).all()):
            raise UserError(f"{path} is damaged: {key} holds values that are no numbers; get it again.")
    return {key: weights[key].float() for key in expected}


class VggishEmbedder:
    """VGGish as an `Embedder`; a sound longer than a patch of 0.96 s has the mean of its patches' embeddings."""

    name = "vggish"
    sample_rate = logmel.RATE

    def __init__(self, network: Vggish, digest: str, device: str = "cpu") -> None:
        network.eval().requires_grad_(False)
        self.network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.digest = digest
        self.device = torch.device(device)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> "VggishEmbedder":
        """From `vggish-10086976.pth`.

        Raises:
            UserError: the file is not that checkpoint.
        """
        weights = read_checkpoint(path)
        with torch.device("meta"):
            network = Vggish()
        network.load_state_dict(weights, strict=True, assign=True)
        return cls(network, sha256(path), device)

    @torch.inference_mode()
    def embed(self, waves: Tensor) -> Tensor:
        """(batch, sample) in [-1, 1] at 16 kHz → (batch, 128)."""
        patches = logmel.patches(waves.to(self.device, torch.float32), offset=OFFSET, hop=PATCH_HOP)
        batch, count = patches.shape[:2]
        found = [self.network(part) for part in patches.flatten(0, 1).split(AT_ONCE)]
        return torch.cat(found).view(batch, count, DIMENSION).mean(1)
