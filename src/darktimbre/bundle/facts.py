"""What a model's `config.json` says beside sizes: origin, figures, examples. Anybody may have written it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Named = dict[str, Any] | str | None
Object = dict[str, Any] | None
Level = Annotated[float, Field(strict=True, ge=-100.0, le=100.0, allow_inf_nan=False)]  # of an attribute, about 0 to 1
Levels = Annotated[list[Level], Field(max_length=4096)]


class _Open(BaseModel):
    """Keys that are not known are kept: cards list them."""

    model_config = ConfigDict(extra="allow")


class Recipe(_Open):
    """The recipe that trained it."""

    name: str | None = None
    data: Object = None


class Provenance(_Open):
    """What it was made of."""

    title: str | None = None
    licence: str | None = None
    corpus: Named = None
    teacher: Named = None
    notes_seen: Annotated[int, Field(ge=0)] | None = None
    chosen_by: Object = None
    teacher_in_loss: Object = None


class Evaluation(_Open):
    """Figures on held-out notes."""

    attributes: dict[str, Annotated[float, Field(allow_inf_nan=False)] | None] | None = None


class Metrics(_Open):
    """All figures."""

    evaluation: Evaluation | None = None


class Facts(_Open):
    """Those of every kind of model."""

    recipe: Recipe | None = None
    provenance: Provenance | None = None
    metrics: Metrics | None = None


class InstrumentFacts(Facts):
    """Those of an instrument."""

    architecture: str = ""
    baseline: Levels | None = None
    examples: Annotated[list[Levels], Field(max_length=10_000)] | None = None
    level: Object = None
    inverter: Object = None
