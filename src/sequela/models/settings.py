"""What a study says about its network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from sequela.settings import Settings

Input = Literal["values", "observed", "gaps", "provenance"]
Readout = Literal["last", "mean", "max", "attention"]
Loss = Literal["auto", "squared", "absolute", "huber", "cross_entropy", "weighted_cross_entropy"]
Recalibrate = Literal["none", "platt", "isotonic"]
Cell = Literal["lstm", "gru", "rnn"]
Gates = Literal["standard", "peephole", "coupled"]


class ModelSettings(Settings):
    """The `[model]` of a study."""

    cell: Cell = "lstm"
    gates: Gates = "standard"
    decay: bool = False
    inputs: Annotated[list[Input], Field(min_length=1)] = ["values", "observed", "gaps"]
    hidden: (
        Annotated[int, Field(ge=1, le=8192)]
        | Annotated[list[Annotated[int, Field(ge=1, le=8192)]], Field(min_length=1, max_length=64)]
    ) = 64
    layers: Annotated[int, Field(ge=1, le=64)] = 1
    bidirectional: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    readout: Annotated[list[Readout], Field(min_length=1)] = ["last"]
    wide: bool = False
    members: Annotated[int, Field(ge=1, le=100)] = 1
    hybrid: bool = False
    loss: Loss = "auto"
    recalibrate: Recalibrate = "none"
    interval: Annotated[float, Field(gt=0, lt=1)] | Literal["none"] = 0.9

    @field_validator("dropout", mode="before")
    @classmethod
    def _whole_number_is_a_rate(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("inputs")
    @classmethod
    def _no_repeats(cls, value: list[Input]) -> list[Input]:
        if len(set(value)) != len(value) or "values" not in value:
            raise ValueError('write "values" and, once each or not at all, "observed", "gaps" and "provenance"')
        return value

    @field_validator("readout", mode="before")
    @classmethod
    def _one_readout_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("readout")
    @classmethod
    def _readouts_differ(cls, value: list[Readout]) -> list[Readout]:
        if len(set(value)) != len(value):
            raise ValueError('write each of "last", "mean", "max" and "attention" once or not at all')
        return value

    @model_validator(mode="after")
    def _layers_agree(self) -> ModelSettings:
        if isinstance(self.hidden, list) and self.layers not in (1, len(self.hidden)):
            raise ValueError(
                f"`hidden` lists {len(self.hidden)} layers, but `layers` is {self.layers}: "
                "make them agree, or remove `layers`"
            )
        if self.gates != "standard" and self.cell != "lstm":
            raise ValueError('`gates` other than "standard" go with cell = "lstm" only')
        if self.decay and self.bidirectional:
            raise ValueError("`decay` fades a state forward in time: set one of decay and bidirectional to false")
        if self.loss == "weighted_cross_entropy" and self.recalibrate == "none":
            raise ValueError(
                'loss = "weighted_cross_entropy" gives risks that are too high by design: '
                'set `recalibrate` to "platt" or "isotonic", or write loss = "cross_entropy"'
            )
        return self

    @property
    def sees_provenance(self) -> bool:
        """True where batches must say where each value comes from."""
        return "provenance" in self.inputs

    @property
    def hidden_sizes(self) -> list[int]:
        """Return the hidden units of each layer."""
        return list(self.hidden) if isinstance(self.hidden, list) else [self.hidden] * self.layers
