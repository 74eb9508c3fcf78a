"""Records and their stamps: what comes with the outcome, with the prediction, or before it can be known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from sequela.audit.columns import sampled
from sequela.audit.finding import Finding
from sequela.audit.relation import FEWEST
from sequela.audit.series import Flags, Floats, Series
from sequela.audit.words import FEW, capital, people, share
from sequela.cohort import Cohort, Question, RiskQuestion
from sequela.cohort.asof import Rows
from sequela.cohort.occurrences import Seen, what_happened
from sequela.predict import Evidence
from sequela.prepare.quantities import quantity_of
from sequela.records import Clock, Records
from sequela.records.durations import MICROSECONDS_PER_HOUR

_EARLY = "available before it happened, taken as known at its time"
_BEDSIDE = (
    "rate", "pressure", "saturation of", "temperature", "inspired", "coma", "height", "weight", "mass index",
    "circumference", "urine of", "tidal", "ventilation", "age", "oxygen saturation",
)  # fmt: skip


def happened_at(evidence: Evidence, question: Question, clock: Clock) -> Floats:
    """Return the first time of the outcome of each person [P], microseconds; NaN without one, or without its time."""
    when = np.full(evidence.people, np.nan)
    outcome = question.outcome if isinstance(question, RiskQuestion) else None
    if outcome is None or not outcome.has_time:
        return when
    seen = Seen(
        events=evidence.events,
        outcomes=evidence.outcomes,
        people=evidence.people,
        clock=clock,
        written=evidence.written,
    )
    happened = what_happened(seen, outcome).occurrences
    some = np.diff(happened.offsets) > 0
    when[some] = happened.time[happened.offsets[:-1][some]]
    return when


def only_after(
    series: Sequence[Series], when: Floats, question: Question, table_of: Mapping[str, str]
) -> list[Finding]:
    """Return codes that are recorded at or after the outcome only, and of people with it only: no input ever."""
    own = tuple(question.outcome.codes) if isinstance(question, RiskQuestion) and question.outcome is not None else ()
    found = []
    for one in series:
        if own and one.code.startswith(own):
            continue
        happened = when[one.person]
        late = one.time >= happened - 1.0
        who = len(np.unique(one.person))
        if who >= FEWEST and late.mean() >= 0.99:
            at_once = share(int((np.abs(one.time - happened) <= 1.0)[late].sum()), int(late.sum()))
            found.append(
                Finding(
                    finding="only_after_outcome",
                    severity="note",
                    table=table_of.get(one.code),
                    column=one.code,
                    evidence=f"Of its {len(late):,} records, those of {people(who)}, "
                    f"{share(int(late.sum()), len(late))} stand at the time of the outcome ({at_once} of these) or "
                    "after it. No prediction before it sees them, if their stamps are right.",
                    remedy="Leave the code out: it cannot help, and one early stamp would leak.",
                )
            )
    return found


def at_prediction(events: pl.DataFrame, series: Sequence[Series], cohort: Cohort, question: Question) -> list[Finding]:
    """Return what is stamped at the very time of a prediction: the outcome, or the inputs where `at` is no record."""
    found = []
    if isinstance(question, RiskQuestion) and question.outcome is not None and question.outcome.code is not None:
        both = _outcome_with_others(events, question)
        if both > FEW and question.at in ("every record", "first record", "last record"):
            found.append(
                Finding(
                    finding="known_at_prediction_time",
                    severity="note",
                    column=question.outcome.name,
                    evidence=f"Of {people(both)} the outcome is stamped at an instant at which something else is "
                    "recorded too. Asked then, it counts as past: a prediction foretells strictly later events only.",
                    remedy="Check that what is stamped with the outcome was not written because of it.",
                )
            )
    if not question.reads_at_records:
        rows = sampled(np.zeros(len(cohort.asked.time)), 20_000)
        person, time = cohort.asked.person[rows], cohort.asked.time[rows]
        same = np.zeros(len(rows), dtype=bool)
        for one in series:
            same |= _at(one, person, time, cohort.timeline.people)
        who, everybody = len(np.unique(person[same])), len(np.unique(person))
        if who > FEW:
            found.append(
                Finding(
                    finding="known_at_prediction_time",
                    severity="note",
                    evidence=f"At {share(int(same.sum()), len(same))} of {len(same):,} predictions, of "
                    f"{share(who, everybody)} of {people(everybody)}, something is known from exactly the "
                    "prediction time on, and is seen.",
                    remedy="Nothing, where these stamps are those at which it was known.",
                )
            )
    return found


def _at(one: Series, person: Rows, time: Rows, count: int) -> Flags:
    row = one.last_known(person, time, count)
    return np.asarray((row >= 0) & (one.known[row] == time))


def _outcome_with_others(events: pl.DataFrame, question: RiskQuestion) -> int:
    """Return of how many people another code is stamped at an instant of the outcome's code."""
    assert question.outcome is not None
    if question.outcome.values_decide:
        return 0
    own = pl.any_horizontal([pl.col("code").str.starts_with(code) for code in question.outcome.codes])
    timed = events.filter(pl.col("time").is_not_null()).select("subject_id", "time", own=own)
    outcome, others = timed.filter("own"), timed.filter(~pl.col("own"))
    return others.join(outcome, on=["subject_id", "time"], how="semi")["subject_id"].n_unique()


def availability(records: Records) -> list[Finding]:
    """Return where availability lies before the stamp, and where nothing says when results could be known."""
    early = records.counts.filter(pl.col("reason") == _EARLY).group_by("table").agg(pl.col("rows").sum(), "code")
    found = [
        Finding(
            finding="available_before_it_happened",
            severity="likely",
            table=table,
            column=codes[0] if len(codes) == 1 else None,
            evidence=f"{_rows(rows)} say that a value was available before it happened. One of the two stamps is "
            "wrong; the study takes the later.",
            remedy="Check both columns: the time is that of the sample or reading, availability that of the result.",
        )
        for table, rows, codes in early.sort("table").iter_rows()
    ]
    return [*found, *_later(records), *_never_given(records)]


def _later(records: Records) -> list[Finding]:
    """Return the tables whose values became available after their time, and by how much."""
    table_of = pl.DataFrame(
        [(code, table.name) for table in records.tables if table.role == "input" for code in table.codes],
        schema={"code": pl.String, "table": pl.String},
        orient="row",
    )
    delay = (pl.col("available_time") - pl.col("time")).dt.total_microseconds() / MICROSECONDS_PER_HOUR
    stamped = records.events.lazy().filter(pl.col("time").is_not_null()).join(table_of.lazy(), on="code")
    by_table = stamped.group_by("table").agg(
        late=(delay > 0).sum(),
        rows=pl.len(),
        hours=delay.filter(delay > 0).median(),
        people=pl.col("subject_id").filter(delay > 0).n_unique(),
    )
    return [
        Finding(
            finding="available_later",
            severity="note",
            table=table,
            evidence=f"{capital(share(late, rows))} of its {rows:,} values became available after their time, half of "
            f"them {hours:.3g} hours or more after it. They are seen from then on only.",
            remedy="Nothing, where `available` is when the result could be read.",
        )
        for table, late, rows, hours, people in by_table.sort("table").collect().iter_rows()
        if people > FEW
    ]


def _rows(count: int) -> str:
    return "Fewer than 11 rows" if count <= FEW else f"{count:,} rows"


def _never_given(records: Records) -> list[Finding]:
    clock = records.clock
    if clock.day_resolution or (not clock.calendar and clock.unit not in ("seconds", "minutes", "hours")):
        return []
    given = set(records.events.filter(pl.col("available_time").is_not_null())["code"].unique())
    timed = set(records.events.filter(pl.col("time").is_not_null())["code"].unique())
    found = []
    for table in records.tables:
        results = [code for code in table.codes if code in timed and code not in given and is_result(code)]
        if table.role == "input" and results:
            codes = f"{len(results)} code{'s' * (len(results) > 1)}"
            listed = ", ".join(f"'{code}'" for code in results[:5]) + (", ..." if len(results) > 5 else "")
            found.append(
                Finding(
                    finding="availability_unknown",
                    severity="note",
                    table=table.name,
                    evidence=f"Nothing says when results of a laboratory could be known ({codes}: "
                    f"{listed}). Where their time is that of the sample, the study sees them early.",
                    remedy="Name the column in `available`, where the source has it.",
                )
            )
    return found


def is_result(code: str) -> bool:
    """Return whether a code is that of a laboratory's result, known some time after the sample was taken.

    Example:
        >>> is_result("Creatinine"), is_result("HR")
        (True, False)
    """
    quantity = quantity_of(code)
    return quantity is not None and not any(word in quantity.name for word in _BEDSIDE)
