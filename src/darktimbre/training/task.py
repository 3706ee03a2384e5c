"""What the loop asks of a task, and which task a recipe means."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from darktimbre.bundle.bundle import Bundle
from darktimbre.training.gan import GanTraining
from darktimbre.training.hardware import Hardware
from darktimbre.training.material import Material
from darktimbre.training.picture_material import PictureMaterial
from darktimbre.training.plan import Plan
from darktimbre.training.schedule import Moment

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer


class Training(Protocol):
    """Networks in training, whatever they are."""

    def step(self, moment: Moment) -> dict[str, Tensor]:
        """One step; returns unweighted losses, scalars."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Everything a step reads or writes, by name."""
        ...

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        ...

    def costs(self) -> dict[int, float]:
        """Relative cost of a note of a step, by scale."""
        ...

    def save(self, folder: Path, moment: Moment, losses: dict[str, float], *, half: bool) -> Path | None:
        """Writes what was trained into `folder`; None where it cannot be used yet."""
        ...

    def preview(self, moment: Moment) -> "Synthesizer | None":
        """An instrument that plays what is learned so far; None where nothing can be played."""
        ...


def task_for(plan: Plan, material: Material | PictureMaterial, hardware: Hardware, start: Bundle | None) -> Training:
    """The task of the plan's recipe."""
    if isinstance(material, PictureMaterial):
        if plan.recipe.task == "picture-classifier":
            from darktimbre.training.picture_classifier import PictureClassifierTraining

            return PictureClassifierTraining(plan, material, hardware)
        from darktimbre.training.picture_gan import PictureGanTraining

        return PictureGanTraining(plan, material, hardware)
    if plan.recipe.task == "tagger":
        from darktimbre.training.tagger import TaggerTraining

        return TaggerTraining(plan, material, hardware)
    if plan.recipe.task == "inception":
        from darktimbre.training.inception import InceptionTraining

        return InceptionTraining(plan, material, hardware)
    return GanTraining(plan, material, hardware, start)
