"""One step of distilling a large tagger into a small one: squared error of standardised logits and cross-entropy."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre.objectives.distillation import distillation_loss
from darktimbre.tagging.temperature import soft_labels
from darktimbre.teachers import logmel
from darktimbre.teachers.embedded import EmbeddedNetwork
from darktimbre.training.listeners import Tagger


def tagger_step(
    network: EmbeddedNetwork,
    waves: Tensor,
    teacher_logits: Tensor,
    choices: Tagger,
    computing: Callable[[], AbstractContextManager[object]],
) -> dict[str, Tensor]:
    """Leaves gradients for waves (batch, sample) and teacher logits (batch, class); returns the unweighted losses."""
    with torch.no_grad():
        patches = logmel.patches(waves)
    with computing():
        answers = network(patches.flatten(0, 1)).float().view(*patches.shape[:2], -1).mean(1)
    squared = F.mse_loss(answers, network.standardise(teacher_logits))
    labels = soft_labels(teacher_logits, 1.0)
    cross = distillation_loss(student_logits=network.restore(answers), soft_labels=labels, temperature=1.0)
    (squared + choices.cross_entropy * cross).backward()
    return {"squared": squared, "cross_entropy": cross}
