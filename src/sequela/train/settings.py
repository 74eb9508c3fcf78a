"""What a study says about training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from sequela.settings import Settings


class TrainSettings(Settings):
    """The `[train]` of a study."""

    epochs: Annotated[int, Field(ge=1)] = 100
    batch_size: Annotated[int, Field(ge=1)] = 32
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.001
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.0
    schedule: Literal["constant", "one cycle"] = "constant"
    average: Annotated[float, Field(ge=0, le=1000)] = 0.0
    hide: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    patience: Annotated[int, Field(ge=0)] = 10
    refit: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @field_validator("learning_rate", "weight_decay", "average", "hide", mode="before")
    @classmethod
    def _whole_number_is_a_rate(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
