"""What a teacher finds: distilled to the critic (DarkGAN §3.2, after Hinton et al. 2015), or in generated sound."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss


def distillation_loss(
    *, student_logits: Tensor, soft_labels: Tensor, temperature: float, label_mask: Tensor | None = None
) -> Tensor:
    """BCE(σ(student / T), soft label), logits and labels `(batch, attribute)` → scalar mean, without the factor T².

    `soft_labels`, σ(teacher / T) of eq. 1, are the teacher's at the same temperature, or those a fake was conditioned
    on. Computed from logits: no log of a rounded 0. Labels belong in [0, 1]; noise added to them must be clamped by
    whoever adds it. `label_mask` `(batch, attribute)`: weights; 0 leaves a label out.
    """
    return binary_cross_entropy_with_logits(student_logits / temperature, soft_labels, weight=label_mask)


def logit_error(*, made_logits: Tensor, real_logits: Tensor, spread: Tensor) -> Tensor:
    """Huber's error (1964, δ = 1) of a teacher's logits of generated sounds, in standard deviations; a scalar mean.

    Logits `(batch, label)` of a sound and of the note whose condition it was made of; `spread` `(label,)`: deviation of
    each label's logits over notes, so that no label counts more for its scale.
    """
    return huber_loss(made_logits / spread, real_logits / spread)
