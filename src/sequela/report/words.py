"""Numbers, units, durations and names as the page writes them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from sequela.report.formats import Comparison, Estimate

MINUS = "\N{MINUS SIGN}"
DASH = "–"
FIGURE_SPACE = "\N{FIGURE SPACE}"

MODELS = {
    "network": "Network",
    "hybrid": "Hybrid",
    "persistence": "Persistence",
    "mean": "Mean so far",
    "linear": "Linear (ridge)",
    "logistic": "Logistic regression",
    "gradient_boosting": "Gradient boosting",
    "treat_all": "Treat all",
}

METRICS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "mse": "MSE",
    "coverage": "Coverage",
    "width": "Width",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "scaled_brier": "Scaled Brier",
    "calibration_in_the_large": "Calibration in the large",
    "calibration_intercept": "Calibration intercept",
    "calibration_slope": "Calibration slope",
    "ici": "ICI",
    "net_benefit": "Net benefit",
}

CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn": "simple recurrent"}

LOSSES = {
    "squared": "squared error",
    "absolute": "absolute error",
    "huber": "Huber error",
    "cross_entropy": "cross-entropy",
    "weighted_cross_entropy": "class-weighted cross-entropy",
}

HOURS = {
    "seconds": 1 / 3600,
    "minutes": 1 / 60,
    "hours": 1.0,
    "days": 24.0,
    "weeks": 168.0,
    "months": 730.5,
    "years": 8766.0,
}

_UNIT_OF = {
    "s": "second",
    "min": "minute",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
_TINY = 1e-30  # the least single number above 0 is 1e-38 or so
_MOST_DECIMALS = 12
_HYPHEN = re.compile(r"(?<![\w.])-(?=\d)")
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


def model_name(model: str) -> str:
    """What a model is called on the page."""
    return MODELS.get(model, model.replace("_", " ").capitalize())


def outcome_of(pair: Comparison) -> str:
    """Which of two models errs less, in words; empty where no interval says it.

    Example:
        >>> outcome_of(Comparison(model="hybrid", against="mean", metric="rmse", low=0.1, high=0.2, outcome="worse"))
        'hybrid worse'
    """
    if pair.low is None or pair.outcome is None:
        return ""
    return "no clear difference" if pair.outcome == "no_difference" else f"{pair.model} {pair.outcome}"


def metric_name(metric: str) -> str:
    """What a metric is called on the page."""
    return METRICS.get(metric, metric.replace("_", " "))


def decimals_for(values: Iterable[float | None]) -> int:
    """Decimals that give the largest of the values four significant digits; three where more than four decimals go."""
    largest = max((abs(value) for value in values if value is not None and math.isfinite(value)), default=1.0)
    digits_before = math.floor(math.log10(largest)) + 1 if largest > 0 else 1
    return min(_MOST_DECIMALS, max(0, min(4, 4 - digits_before), 3 - digits_before))


def decimals_that_tell(pairs: Iterable[Comparison | None], decimals: int) -> int:
    """The decimals, or up to three more, so that no difference that is decided, nor an end of its interval, reads as 0.

    Example:
        >>> decided = Comparison(model="a", against="b", metric="rmse", difference=-0.4, low=-0.7, high=-0.004,
        ...                      outcome="better")
        >>> decimals_that_tell([decided], 2), decimals_that_tell([decided], 1), decimals_that_tell([None], 1)
        (3, 3, 1)
    """
    decided = [pair for pair in pairs if pair is not None and pair.outcome in ("better", "worse")]
    told = [each for pair in decided for each in (pair.difference, pair.low, pair.high) if each]
    return max([decimals, *(min(decimals + 3, -math.floor(math.log10(abs(each)))) for each in told)])


def fixed(value: float | None, decimals: int) -> str:
    """A number with thousands separators and a true minus sign; an en dash where there is none.

    Example:
        >>> fixed(1234.567, 1), fixed(None, 1)
        ('1,234.6', '–')
    """
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


COARSE_DECIMALS = 2  # an AUROC is a count of pairs: with three, few who had the event could be worked out of it


def coarse_decimals(text: str, decimals: int) -> str:
    """A sentence in which no number has more decimals than that.

    Example:
        >>> coarse_decimals("(0.834), difference -0.0021 (-0.061 to 0.066); a 95 % interval", 2)
        '(0.83), difference 0.00 (-0.06 to 0.07); a 95 % interval'
    """
    return re.sub(
        rf"-?\b\d+\.\d{{{decimals + 1},}}\b",
        lambda found: f"{round(float(found[0]), decimals) + 0.0:.{decimals}f}",
        text,
    )


def signed(value: float | None, decimals: int) -> str:
    """A difference, always with its sign."""
    text = fixed(value, decimals)
    return text if text == DASH or text.startswith(MINUS) or not text.strip("0.,") else f"+{text}"


def interval(low: float | None, high: float | None, decimals: int) -> str:
    """An interval in brackets; empty where there is none."""
    return "" if low is None or high is None else f"[{fixed(low, decimals)}, {fixed(high, decimals)}]"


def number_in_words(one: Estimate, decimals: int) -> str:
    """A number and its interval, for those who cannot see the figure.

    Example:
        >>> number_in_words(Estimate(value=0.5, low=0.4, high=0.6), 2)
        '0.50 (0.40 to 0.60)'
    """
    text = fixed(one.value, decimals)
    if one.low is None or one.high is None:
        return text
    return f"{text} ({fixed(one.low, decimals)} to {fixed(one.high, decimals)})"


def aligned(texts: Sequence[str], *, pad: str = FIGURE_SPACE) -> list[str]:
    """Texts of one column padded on the left to one width, so that brackets and decimals stand under each other."""
    bounds = [text[1:-1].split(", ") if text.startswith("[") else [] for text in texts]
    widths = [max((len(pair[side]) for pair in bounds if len(pair) == 2), default=0) for side in (0, 1)]
    return [
        f"[{pair[0].rjust(widths[0], pad)}, {pair[1].rjust(widths[1], pad)}]" if len(pair) == 2 else text
        for pair, text in zip(bounds, texts, strict=True)
    ]


def plain(value: float) -> str:
    """A number without needless decimals: 40, 2.5, 1,200."""
    return f"{value:,.6g}".replace("-", MINUS) if abs(value) < 1e6 else f"{value:,.0f}".replace("-", MINUS)


def counted(count: int, one: str, many: str) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "epoch", "epochs"), counted(1200, "epoch", "epochs")
        ('1 epoch', '1,200 epochs')
    """
    return f"{count:,} {one if count == 1 else many}"


def label(name: str, most: int = 41) -> str:
    """A name as it fits beside a figure: in one line, and without its middle where it is long.

    Example:
        >>> label("pressure"), label("the mean\\nof ten readings at rest", most=21)
        ('pressure', 'the mean o…gs at rest')
    """
    text = " ".join(name.split())
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2) :]}"


def limits_in_words(low: float, high: float) -> str:
    """Two limits; one that shuts out 0 alone is written so.

    Example:
        >>> limits_in_words(40, 300), limits_in_words(1.2e-38, 15)
        ('40 to 300', 'above 0 to 15')
    """
    return f"{'above 0' if 0 < low < _TINY else plain(low)} to {plain(high)}"


def in_unit(label: str, unit: str | None) -> str:
    """A label with the unit that its numbers are in."""
    return f"{label} ({unit})" if unit else f"{label} (in the target's unit)"


def after_number(unit: str | None) -> str:
    """What follows a number: a space and its unit, or nothing where it is not known."""
    return f" {unit}" if unit else ""


def unbroken(text: str) -> str:
    """A sentence with true minus signs, in which no line breaks between a number and its per cent sign."""
    return _HYPHEN.sub(MINUS, text.replace(" %", "\N{NO-BREAK SPACE}%"))


def listed(items: Sequence[str], *, last: str = "and") -> str:
    """Items as a sentence lists them: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def duration(text: str) -> str:
    """A duration of the study file in words; anything else as it is.

    Example:
        >>> duration("48h"), duration("1y"), duration("next record")
        ('48 hours', '1 year', 'next record')
    """
    match = _DURATION.fullmatch(text)
    if match is None or match[2] not in _UNIT_OF:
        return text
    count = float(match[1])
    return f"{plain(count)} {_UNIT_OF[match[2]]}{'' if count == 1 else 's'}"


def hours_in_words(hours: float) -> str:
    """A span of hours in the unit in which it reads best.

    Example:
        >>> hours_in_words(6), hours_in_words(24 * 100), hours_in_words(24 * 400)
        ('6 hours', '100 days', '1.1 years')
    """
    for unit, floor in (("years", 8766.0), ("days", 48.0), ("hours", 1.0), ("minutes", 0.0)):
        if abs(hours) >= floor:
            count = hours / HOURS[unit]
            text = f"{count:.1f}".removesuffix(".0") if abs(count) < 10 else f"{count:,.0f}"
            return f"{text} {unit if text != '1' else unit.removesuffix('s')}"
    return f"{hours:g} hours"


def percent(share: float) -> str:
    """A share in per cent, without needless decimals.

    Example:
        >>> percent(0.1), percent(0.0125), percent(0.00042)
        ('10\\xa0%', '1.2\\xa0%', '0.042\\xa0%')
    """
    return f"{per_cent(share).removesuffix('.0')}\N{NO-BREAK SPACE}%"


def per_cent(share: float) -> str:
    """A share as the number of a column in per cent: one decimal, below 1 two digits at least.

    Example:
        >>> per_cent(0.123), per_cent(0.0), per_cent(0.00042)
        ('12.3', '0.0', '0.042')
    """
    shown = 100 * share
    return f"{shown:.2g}" if 1e-4 <= shown < 0.95 else fixed(shown, 1)


def threshold_in_words(risk: float) -> str:
    """A threshold of the study in per cent, as it was written.

    Example:
        >>> threshold_in_words(0.1), threshold_in_words(0.0125)
        ('10\\xa0%', '1.25\\xa0%')
    """
    return f"{plain(100 * risk)}\N{NO-BREAK SPACE}%"


def span(seconds: float) -> str:
    """How long a computation took."""
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
