"""What a part promises, and whether a measurement keeps it."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Verdict:
    claim: str
    measured: float
    bar: float

    @property
    def passed(self) -> bool:
        return self.measured >= self.bar

    def line(self) -> str:
        return f"{'pass' if self.passed else 'MISS'}  {self.measured:10.4g}  bar {self.bar:<9.4g}  {self.claim}"

    def as_dict(self) -> dict:
        return {**asdict(self), "passed": self.passed}


def geometric_mean(values: Iterable[float]) -> float:
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))


def of_ratios(claim: str, ratios: list[float], *, mean: float, least: float | None = None) -> list[Verdict]:
    """Verdicts on the geometric mean of the ratios and, where a bar is given, on the least of them."""
    verdicts = [Verdict(f"{claim}: geometric mean", geometric_mean(ratios), mean)]
    if least is not None:
        verdicts.append(Verdict(f"{claim}: least", min(ratios), least))
    return verdicts
