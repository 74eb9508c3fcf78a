"""Courses of single held-out people: read and drawn only where the study asks for individuals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sequela.errors import RunError
from sequela.report.svg import BLUE, INK, as_svg, figure_style
from sequela.report.words import HOURS, counted, in_unit, label

MOST_PEOPLE = 6
_FEWEST_POINTS = 3
_NEEDED = (
    "subject_id",
    "prediction_time",
    "split",
    "model",
    "code",
    "horizon_hours",
    "target",
    "predicted",
    "lower",
    "upper",
)


@dataclass(frozen=True)
class Course:
    """One person's measurements and the forecasts made of them, by the time of the measurement since the first."""

    times: list[float]
    observed: list[float]
    predicted: list[float]
    lower: list[float | None]
    upper: list[float | None]


def read_courses(run: Path, *, target: str, unit: str) -> list[Course]:
    """The courses of up to six held-out people, the same ones each time, without id or date.

    Args:
        run: the run folder.
        target: the code that was forecast.
        unit: the unit of the times returned, and of numeric times in the file.

    Raises:
        RunError: `predictions.parquet` is missing, damaged or lacks a column.
    """
    path = run / "predictions.parquet"
    rows = _forecasts(path, target)
    rows = rows.with_columns(_hours(rows.schema["prediction_time"], unit) + pl.col("horizon_hours")).rename(
        {"prediction_time": "hours"}
    )
    people = rows.group_by("subject_id").len().filter(pl.col("len") >= _FEWEST_POINTS)["subject_id"].to_list()
    chosen = sorted(people, key=lambda person: hashlib.sha256(f"course:{person}".encode()).digest())[:MOST_PEOPLE]
    return [_course(rows.filter(pl.col("subject_id") == person), unit) for person in chosen]


def _forecasts(path: Path, target: str) -> pl.DataFrame:
    remedy = "Run the study again (`sequela run STUDY`), or set `individuals = false` under [report] in its study.toml"
    if not path.is_file():
        raise RunError(f"{path}: the run folder lacks this file, which `individuals = true` needs. {remedy}.")
    try:
        frame = pl.scan_parquet(path, glob=False)
        lacking = [name for name in _NEEDED if name not in frame.collect_schema()]
        if lacking:
            raise RunError(f"{path}: lacks the column{'s' * (len(lacking) > 1)} {', '.join(lacking)}. {remedy}.")
        return (
            frame.filter(
                pl.col("model") == "network",
                pl.col("split") == "held_out",
                pl.col("code") == target,
                pl.col("target").is_finite(),
                pl.col("predicted").is_finite(),
                pl.col("horizon_hours").is_finite(),
            )
            .select(_NEEDED)
            .collect()
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        raise RunError(f"{path}: damaged, expected predictions in Parquet. {remedy}.") from None


def _hours(kind: pl.DataType, unit: str) -> pl.Expr:
    """The prediction time as hours since any fixed origin."""
    time = pl.col("prediction_time")
    if kind.is_temporal():
        return time.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 3.6e9
    return time.cast(pl.Float64) * HOURS[unit]


def _course(rows: pl.DataFrame, unit: str) -> Course:
    rows = rows.sort("hours", "horizon_hours")
    since_first = (rows["hours"] - rows["hours"].min()) / HOURS[unit]
    return Course(
        times=since_first.to_list(),
        observed=rows["target"].to_list(),
        predicted=rows["predicted"].to_list(),
        lower=rows["lower"].to_list(),
        upper=rows["upper"].to_list(),
    )


def courses_figure(courses: list[Course], *, name: str, target: str, unit: str | None, time_unit: str) -> Markup | None:
    """A small panel a person: measurements, and the forecast of each with its interval; None where there is nobody."""
    if not courses:
        return None
    with figure_style():
        rows, columns = -(-len(courses) // 3), min(3, len(courses))
        figure = Figure(figsize=(7.4, 0.7 + 1.75 * rows))
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for place, axes in enumerate(panels.flat):
            if place >= len(courses):
                axes.set_axis_off()
                continue
            course = courses[place]
            for time, low, high in zip(course.times, course.lower, course.upper, strict=True):
                if low is not None and high is not None:
                    axes.plot([time, time], [low, high], color=BLUE, lw=3.2, alpha=0.25, solid_capstyle="butt")
            axes.plot(course.times, course.predicted, "s", ms=4, mfc="white", mec=BLUE, mew=1.2, label="forecast")
            axes.plot(course.times, course.observed, "o-", ms=3.2, color=INK, lw=0.9, label="measured")
            axes.set_title(f"Person {'ABCDEF'[place]}")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
            axes.grid(axis="y")
        figure.supxlabel(f"{time_unit.capitalize()} since the first measurement that was forecast", fontsize=9)
        figure.supylabel(in_unit(label(target), unit), fontsize=9)
        number = counted(len(courses), "panel", "panels")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2)
        return as_svg(
            figure, name=name, title=f"Courses of {target} with forecasts",
            description=f"{number}, one held-out person each: measured {target} joined by a line, and the "
            "forecast of each measurement with its interval.",
        )  # fmt: skip
