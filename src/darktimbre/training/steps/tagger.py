"""One step of distilling a large tagger into a small one: squared error of standardised logits and cross-entropy."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre.objectives.distillation import distillation_loss, soft_labels
from darktimbre.teachers import logmel
from darktimbre.teachers.embedded import EmbeddedNetwork

CROSS_ENTROPY = 10.0  # its weight: the mean over 521 mostly silent classes is small


def tagger_step(
    network: EmbeddedNetwork,
    adam: torch.optim.Optimizer,
    waves: Tensor,
    teacher_logits: Tensor,
    computing: Callable[[], AbstractContextManager[object]],
) -> dict[str, Tensor]:
    """Trains on waves (batch, sample) and the teacher's logits (batch, class); returns the unweighted losses."""
    with torch.no_grad():
        patches = logmel.patches(waves)
    network.train()
    with computing():
        answers = network(patches.flatten(0, 1)).float().view(*patches.shape[:2], -1).mean(1)
    squared = F.mse_loss(answers, network.standardise(teacher_logits))
    labels = soft_labels(teacher_logits=teacher_logits, temperature=1.0)
    cross = distillation_loss(student_logits=network.restore(answers), soft_labels=labels, temperature=1.0)
    adam.zero_grad(set_to_none=True)
    (squared + CROSS_ENTROPY * cross).backward()
    adam.step()
    return {"squared": squared, "cross_entropy": cross}
