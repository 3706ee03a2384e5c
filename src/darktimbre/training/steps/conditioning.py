"""What both networks are asked about a picture beside its score: its pitch and its attributes (DarkGAN §4.3.2)."""

from torch import Tensor

from darktimbre.models.progressive import Verdict
from darktimbre.objectives.auxiliary import pitch_cross_entropy
from darktimbre.objectives.distillation import distillation_loss
from darktimbre.training.players import Batch


def conditioning_losses(
    verdict: Verdict, batch: Batch, temperature: float, *, told: Tensor | None = None
) -> dict[str, Tensor]:
    """Unweighted losses `pitch` and `attributes`, of the heads that there are; for fakes with the batch's `told`."""
    losses = {}
    if verdict.pitch_logits is not None:
        losses["pitch"] = pitch_cross_entropy(pitch_logits=verdict.pitch_logits, pitch_class=batch.pitch_class)
    if verdict.attribute_logits is not None:
        losses["attributes"] = distillation_loss(
            student_logits=verdict.attribute_logits, soft_labels=batch.soft, temperature=temperature, told=told
        )
    return losses


def named(losses: dict[str, Tensor], suffix: str) -> dict[str, Tensor]:
    """The losses under the names that the journal shows."""
    return {f"{name}_{suffix}": value for name, value in losses.items()}
