"""What every part of a recipe is: typed, frozen, and an unknown key is an error."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Part of a recipe; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
