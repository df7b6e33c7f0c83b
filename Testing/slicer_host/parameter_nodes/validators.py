"""What `Annotated[...]` may add to the type of a parameter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any


class Validator(ABC):
    """Accepts a value or raises ValueError."""

    @abstractmethod
    def validate(self, value: Any) -> None:
        """Raises ValueError."""


class Minimum(Validator):
    def __init__(self, minimum: float) -> None:
        self.minimum = minimum

    def validate(self, value: Any) -> None:
        if value is not None and value < self.minimum:
            raise ValueError(f"Value must be >= {self.minimum}, is {value}")


class Maximum(Validator):
    def __init__(self, maximum: float) -> None:
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        if value is not None and value > self.maximum:
            raise ValueError(f"Value must be <= {self.maximum}, is {value}")


class WithinRange(Validator):
    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        if value is not None and not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within [{self.minimum}, {self.maximum}], is {value}")


class Choice(Validator):
    def __init__(self, choices: Any) -> None:
        self.choices = list(choices)

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, is {value!r}")


class Exclude(Validator):
    def __init__(self, excluded: Any) -> None:
        self.excluded = list(excluded)

    def validate(self, value: Any) -> None:
        if value in self.excluded:
            raise ValueError(f"Value must not be one of {self.excluded}, is {value!r}")


@dataclass(frozen=True)
class Default:
    """The value of a parameter that has not been set."""

    value: Any


@dataclass(frozen=True)
class Decimals:
    """How many decimals a widget shows."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """A widget's step."""

    value: float


@dataclass(frozen=True)
class RangeBounds:
    """The outer limits of a widget for a range."""

    minimum: float
    maximum: float
