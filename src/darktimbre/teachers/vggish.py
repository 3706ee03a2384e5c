"""VGGish (Hershey et al. 2017) as a torch module of the common port's layout: sound → 128 numbers, no labels.

It is no teacher, but the embedding that most published Fréchet audio distances are taken in (Kilgour et al. 2019). As
there, an embedding is what the last linear layer gives: without the port's last ReLU, and without the rotation and
rounding to 8 bits that the AudioSet release adds.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from darktimbre.audio.download import sha256
from darktimbre.notes.errors import UserError
from darktimbre.teachers import logmel
from darktimbre.teachers.frozen import Frozen, fitting, unpickled

PLAN = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0)
"""Maps of each 3 × 3 convolution; 0 is max pooling by 2."""
HIDDEN, DIMENSION = 4096, 128
GRID = (logmel.PATCH_FRAMES // 16, logmel.BANDS // 16)  # 6 frames × 4 bands are left after four poolings
OFFSET = 0.01  # inside the logarithm
PATCH_HOP = logmel.PATCH_FRAMES * logmel.HOP  # patches do not overlap
AT_ONCE = 32  # patches


class Vggish(nn.Module):
    """The network; its `state_dict` has the names and shapes of `vggish-10086976.pth`."""

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
    weights = unpickled(path, "VGGish")
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"{path} is not a VGGish checkpoint: it holds no dictionary of tensors.")
    # Some copies of the port keep the AudioSet release's rotation beside the network; it is not used.
    return fitting(path, "VGGish", weights, Vggish, spare="pproc.")


class VggishEmbedder(Frozen[Vggish]):
    """VGGish as an `Embedder`; a sound longer than a patch of 0.96 s has the mean of its patches' embeddings."""

    name = "vggish"
    sample_rate = logmel.RATE

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> "VggishEmbedder":
        """From `vggish-10086976.pth`. Raises UserError: the file is not that checkpoint."""
        weights = read_checkpoint(path)
        with torch.device("meta"):
            network = Vggish()
        network.load_state_dict(weights, strict=True, assign=True)
        return cls(network, sha256(path), device)

    @torch.inference_mode()
    def embed(self, waves: Tensor) -> Tensor:
        """(batch, sample) in [-1, 1] at 16 kHz → (batch, 128)."""
        waves = waves.to(self.device, torch.float32)
        return logmel.mean_over_patches(self.network, waves, AT_ONCE, offset=OFFSET, hop=PATCH_HOP)
