"""Columns of an outcome as tables write them: what they may hold, and refusals that name the file and the rows."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from asking import events_of
from risking import labels_of, risk, said

from sequela.cohort import Cohort, OutcomeSettings, ask, set_apart
from sequela.cohort.columns import check_time_of_outcome
from sequela.cohort.risk_labels import HAD_IT, HAD_IT_TODAY, NOT_KNOWN, OTHER_LEVEL
from sequela.errors import CohortError, RecordsError
from sequela.records import TableSettings, read_records

DAYS = pl.DataFrame({"id": [1, 1, 2, 2, 3, 3], "day": [0.0, 9.0] * 3, "y": [1.0, 2.0] * 3})
VISITS: dict[str, Any] = {"name": "visits", "path": "visits.csv", "subject": "id", "time": "day", "time_unit": "days"}
FATE: dict[str, Any] = {"name": "fate", "path": "fate.csv", "role": "outcome", "layout": "static", "subject": "id"}


def asked(
    fate: str | pl.DataFrame,
    outcome: dict[str, Any],
    *,
    visits: pl.DataFrame = DAYS,
    tables: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
    folder: Path = Path(),
    **question: Any,
) -> Cohort:
    """Return the cohort of a question about visits and a table of outcomes, a text being its file.

    Args:
        fate: the table of outcomes.
        outcome: of the question.
        visits: the table of inputs.
        tables: more keys of the two tables.
        folder: where a text is written.
        question: its other keys.
    """
    settings = [TableSettings(**VISITS | tables[0]), TableSettings(**FATE | tables[1])]
    frames = {"visits": visits}
    if isinstance(fate, str):
        (folder / "fate.csv").write_text(fate)
    else:
        frames["fate"] = fate
    wanted = risk(outcome=outcome, **question)
    records = read_records(settings, folder, frames=frames, apart=wanted.columns_apart)
    events, outcomes = set_apart(records.events, records.outcomes, wanted)
    people = len(records.subjects)
    return ask(events, people, wanted, outcomes=outcomes, clock=records.clock, written=records.written)


DIED = {"column": "died"}
DATED = {"column": "died", "time": "on", "time_unit": "days", "within": "5d"}


# Times.

NAIVE = [datetime(2024, 3, 30, 23, 59, 59, 999_999), datetime(2024, 3, 31, 2, 30), datetime(2024, 10, 27, 2, 30), None]
STAMPS = pl.Series("on", NAIVE)
DAY_TEXTS = ["2024-03-30", "2024-03-31", "2024-10-27", None]
FORMS = {
    "us": (STAMPS, [None if at is None else at.isoformat() for at in NAIVE]),
    "ms": (STAMPS.cast(pl.Datetime("ms")), ["2024-03-30T23:59:59.999", "2024-03-31T02:30", "2024-10-27T02:30", None]),
    "ns": (STAMPS.cast(pl.Datetime("ns")), [None if at is None else at.isoformat() for at in NAIVE]),
    "zone": (
        STAMPS.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo"),
        [None if at is None else at.isoformat() + "Z" for at in NAIVE],
    ),
    "date": (STAMPS.cast(pl.Date), DAY_TEXTS),
}


def dated(column: pl.Series | list[str | None], zone: str, *, follow_up: bool, role: str = "outcome") -> Cohort:
    """Return the cohort of people watched for a year, whose outcome or end of follow-up stands in the column."""
    around = [NAIVE[1] + timedelta(minutes=15 * step) for step in range(-300, 300)]  # type: ignore[operator]
    ids = [1, 2, 3, 4]
    visits = pl.DataFrame(
        [(who, at, 1.0) for who in ids for at in [*around, datetime(2024, 10, 26, 12), datetime(2025, 2, 1)]],
        schema=["id", "day", "y"],
        orient="row",
    )
    fate = pl.DataFrame({"id": ids, "died": [1, 1, 1, 0], "on": column})
    outcome = {"column": "died", "time": "on", "within": "2d"}
    question: dict[str, Any] = {"follow_up": {"column": "left"}} if follow_up else {}
    if follow_up:
        never = {"died": pl.Series([0, 0, 0, 1]), "on": pl.lit("2024-04-02T00:00Z")}
        fate = fate.with_columns(**never, left=pl.col("on"))
    fates = {"role": role, "time_zone": zone}
    return asked(fate, outcome, visits=visits, tables=({"time_unit": None}, fates), **question)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("follow_up", [False, True])
@pytest.mark.parametrize("role", ["outcome", "input"])
def test_dates_and_instants_are_what_their_iso_text_is(form: str, zone: str, follow_up: bool, role: str) -> None:
    column, texts = FORMS[form]
    found = dated(column, zone, follow_up=follow_up, role=role)
    as_text = dated(texts, zone, follow_up=follow_up, role=role)
    assert said(found) == said(as_text)
    assert found.asked.excluded == as_text.asked.excluded
    assert labels_of(found).known.tolist() == labels_of(as_text).known.tolist()
    np.testing.assert_array_equal(labels_of(found).event_hours, labels_of(as_text).event_hours)


@pytest.mark.parametrize("form", ["us", "date"])
def test_a_time_of_an_outcome_without_a_zone_is_of_its_own_table(form: str) -> None:
    def first(zone: str) -> int:
        found = labels_of(dated(FORMS[form][0], zone, follow_up=False))
        return int(found.known[found.value == 1].min())

    hour = 3_600_000_000
    assert first("UTC") - first("Europe/Berlin") == hour
    assert first("Asia/Tokyo") - first("UTC") == -9 * hour


def test_a_table_of_outcomes_may_hold_dates_that_the_question_does_not_name() -> None:
    fate = pl.DataFrame({"id": [1, 2, 3], "died": [1, 0, 0], "seen": [NAIVE[0]] * 3})
    assert [value for *_, value in said(asked(fate, DIED))] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("own_column", [True, False])
def test_who_had_a_dated_outcome_earlier_on_the_day_is_left_out_for_that_reason(own_column: bool) -> None:
    times = [datetime(2024, 5, 1, 22), datetime(2024, 5, 2), datetime(2024, 5, 2, 21, 59), datetime(2024, 5, 2, 22)]
    visits = pl.DataFrame([(who, at, 1.0) for who in (1, 2) for at in times], schema=["id", "day", "y"], orient="row")
    fate = pl.DataFrame({"id": [1, 2], "died": [1, 0], "on": ["2024-05-02", "2024-05-03"]})
    keys = {"layout": "visits", "time": "on"} if own_column else {}
    tables: Any = ({"time_unit": None, "time_zone": "UTC"}, {"time_zone": "UTC"} | keys)
    outcome = {"column": "died", "time": "on", "within": "1d"}
    found = asked(fate, outcome, visits=visits, tables=tables, incomplete="no event")
    assert [value for *_, value in said(found)] == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert found.asked.excluded == {HAD_IT: (1, 1), HAD_IT_TODAY: (2, 1)}
    exact = fate.with_columns(on=pl.Series(["2024-05-02T00:00", "2024-05-03T00:00"]))
    again = asked(exact, outcome, visits=visits, tables=tables, incomplete="no event")
    assert said(again) == said(found)
    assert again.asked.excluded == {HAD_IT: (3, 1)}
    zoned: Any = tuple(table | {"time_zone": "Europe/Berlin"} for table in tables)
    local = visits.with_columns(pl.col("day") + pl.duration(hours=1))  # from 23 h on, and to 23 h
    berlin = asked(fate, outcome, visits=local, tables=zoned, incomplete="no event")
    assert berlin.asked.excluded == {HAD_IT_TODAY: (3, 1)}


# Where it is.


@pytest.mark.parametrize(
    ("fate", "outcome", "words"),
    [
        ("id,died\n1,0\n9,5\n2,2\n3,1\n", DIED, r"^fate\.csv, column 'died', row 3: .*other than 0 and 1"),
        ("id,died\n1,yes\n2,no\n3,no\n", DIED, r"'died', rows 1, 2, 3: .*other than 0 and 1.*positive"),
        ("id,died\n1,a\n2,b\n3,b\n", DIED | {"positive": "c"}, r"^fate\.csv, column 'died': .*nobody has"),
        ("id,died,on\n1,1,5\n2,0,\n3,0,1e9\n", DATED, r"'on', row 3: .*outcome.time: this column .*too large"),
        ("id,died,on\n1,1,in May\n2,0,\n3,0,June\n", DATED, r"^fate\.csv, column 'on': .*times of the records are"),
    ],
)
def test_a_refusal_names_the_file_and_the_rows(fate: str, outcome: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=words):
        asked(fate, outcome, folder=tmp_path)


def test_two_values_of_a_person_are_named_by_their_rows(tmp_path: Path) -> None:
    text = "id,day,died,on\n1,0,1,3\n1,4,1,3\n2,0,0,\n3,0,1,5\n3,8,0,6\n"
    dated = {"layout": "visits", "time": "day", "time_unit": "days"}
    with pytest.raises(RecordsError, match=r"^fate\.csv, column 'died', rows 4, 5: .*several values .*`time`"):
        asked(text, DIED, folder=tmp_path, tables=({}, dated))
    with pytest.raises(RecordsError, match=r"column 'died', rows 4, 5: .*several values .*its table that `time`"):
        asked(text, DATED, folder=tmp_path, tables=({}, dated))
    with pytest.raises(RecordsError, match=r"^fate\.csv, column 'on', rows 4, 5: .*several values"):
        asked(text.replace("8,0,6", "8,1,6"), DATED, folder=tmp_path, tables=({}, dated))


def test_facts_alone_are_refused_with_what_they_need() -> None:
    facts, outcomes = events_of((0, None, "sex", "f"), (1, None, "sex", "m")), events_of((0, None, "died", 1.0))
    with pytest.raises(CohortError, match=r"No value of an input has a time.*`time`"):
        ask(facts, 2, risk(outcome=DIED), outcomes=outcomes)


def test_a_time_that_is_none_is_named_by_its_row(tmp_path: Path) -> None:
    visits = DAYS.with_columns(day=pl.Series(["2024-01-01", "2024-01-09"] * 3))
    fate = "id,died,on,left\n1,1,2024-01-03,2024-02-01\n2,0,2024-13-01,2024-02-01\n3,0,,soon\n"
    tables: Any = ({"time_unit": None}, {})
    outcome = {"column": "died", "time": "on", "within": "5d"}
    with pytest.raises(RecordsError, match=r"^fate\.csv, column 'on', row 2: .*ISO 8601"):
        asked(fate, outcome, visits=visits, tables=tables, folder=tmp_path)
    dated = fate.replace("2024-13-01", "")
    with pytest.raises(RecordsError, match=r"^fate\.csv, column 'left', row 3: \[question\] follow_up: .*ISO 8601"):
        asked(dated, outcome, visits=visits, tables=tables, folder=tmp_path, follow_up={"column": "left"})


def test_of_several_files_the_one_at_fault_is_named_and_a_renamed_column_as_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("id,dead\n2,0\n3,3\n")
    keys = {"path": ["fate.csv", "more.csv"], "rename": {"dead": "died"}}
    with pytest.raises(RecordsError, match=r"^more\.csv, column 'dead', row 2: "):
        asked("id,dead\n1,1\n", DIED, folder=tmp_path, tables=({}, keys))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"time": "when"}, r"outcome\.time: no table has a column 'when'"),
        ({"time": "day", "time_unit": "hours"}, "'day' is the time of table 'fate', whose times are numbers of days"),
        ({"time": "day", "time_unit": "days"}, None),
        ({"time": "on", "time_unit": "hours"}, None),
    ],
)
def test_a_time_of_an_outcome_is_a_column_with_the_tables_unit_or_its_own(keys: Any, words: str | None) -> None:
    table = TableSettings(**FATE | {"layout": "visits", "time": "day", "time_unit": "days"})
    outcomes = events_of((0, 3, "died", 1.0), (0, 3, "on", 4.0))
    outcome = OutcomeSettings(column="died", within="1d", **keys)
    others = (TableSettings(**VISITS), ["y"])
    with nullcontext() if words is None else pytest.raises(CohortError, match=words):
        check_time_of_outcome(outcomes, outcome, [others, (table, ["died", "on"])])


def test_a_long_table_names_the_rows_of_the_code(tmp_path: Path) -> None:
    keys = {"layout": "long", "time": "day", "time_unit": "days"}
    fate = "id,day,code,numeric_value\n1,1,died,1\n1,1,stay,7\n2,1,died,\n2,2,died,0\n3,2,stay,4\n3,2,died,4\n"
    with pytest.raises(RecordsError, match=r"^fate\.csv, column 'numeric_value', row 6: "):
        asked(fate, DIED, folder=tmp_path, tables=({}, keys))


def test_codes_that_are_renamed_to_one_are_read_together(tmp_path: Path) -> None:
    keys = {"layout": "long", "time": "day", "time_unit": "days", "rename": {"a": "died", "b": "died"}}
    fate = "id,day,code,numeric_value\n1,1,a,2\n2,1,b,1\n3,2,b,1\n"
    found = asked(fate, DIED | {"positive": 2}, folder=tmp_path, tables=({}, keys))
    assert [value for *_, value in said(found)] == [1.0, 0.0, 0.0]
    with pytest.raises(RecordsError, match=r"^fate\.csv, column 'numeric_value', row 1: .*other than"):
        asked(fate, DIED, folder=tmp_path, tables=({}, keys))


def test_a_column_of_the_outcome_among_the_inputs_is_named_too() -> None:
    visits = DAYS.with_columns(died=pl.Series([None, 1, None, 0, None, 7]))
    fate = pl.DataFrame({"id": [1], "other": [1]})
    with pytest.raises(RecordsError, match=r"^frame 'visits', column 'died', row 6: "):
        asked(fate, DIED, visits=visits)


# Which values are the event.


@pytest.mark.parametrize(
    ("event", "other"),
    [
        ("dead", "Dead"),
        ("Dead", "DEAD"),
        ("dead", "ｄｅａｄ"),
        ("in hospital", "in  Hospital"),
        ("1", "1.0"),
        ("1.50", "01.5"),
        ("ja", "JA"),
    ],
)
def test_the_event_in_another_spelling_is_refused(event: str, other: str, tmp_path: Path) -> None:
    fate = f"id,died\n1,{event}\n2,alive\n3,{other}\n"
    keys: Any = ({}, {"categorical": [], "path": "fate.csv"})
    with pytest.raises(RecordsError, match=rf"^fate\.csv, column 'died', row 3: .*\"{event}\" in another.*one way"):
        asked(fate + "4,alive\n5,alive\n", DIED | {"positive": event}, folder=tmp_path, tables=keys)


def test_the_refusal_of_another_spelling_quotes_no_cell(tmp_path: Path) -> None:
    with pytest.raises(RecordsError) as refused:
        asked("id,died\n1,x\n2,secret\n3,SECRET\n", DIED | {"positive": "secret"}, folder=tmp_path)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("word", ["unknown", "Unknown", "?", "n/a", "Not  known"])
@pytest.mark.parametrize("keys", [{"positive": "yes"}, {}])
def test_a_word_for_not_known_is_no_answer(word: str, keys: dict[str, Any], tmp_path: Path) -> None:
    yes, no = ("yes", "no") if keys else ("true", "false")
    fate = f"id,died\n1,{yes}\n2,{no}\n3,{word}\n"
    with pytest.raises(RecordsError, match=r"^fate\.csv, column 'died', row 3: .*not known.*`na`"):
        asked(fate, DIED | keys, folder=tmp_path)
    found = asked(fate, DIED | keys, folder=tmp_path, tables=({}, {"na": [word]}))
    assert found.asked.excluded == {NOT_KNOWN: (1, 1)}


def test_a_minus_beside_a_plus_is_an_answer(tmp_path: Path) -> None:
    found = asked("id,died\n1,+\n2,-\n3,-\n", DIED | {"positive": "+"}, folder=tmp_path)
    assert [value for *_, value in said(found)] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("event", ["dead", 2])
def test_a_third_value_is_no_event_and_noted(event: str | int, tmp_path: Path) -> None:
    other, third = ("alive", "moved") if event == "dead" else (1, 9)
    visits = pl.concat([DAYS, DAYS.filter(pl.col("id") < 3).with_columns(pl.col("id") + 3)])
    rows = [(1, event, 20), (2, other, ""), (3, third, ""), (4, other, ""), (5, other, "")]
    fate = "id,died,on\n" + "".join(f"{who},{what},{when}\n" for who, what, when in rows)
    found = asked(fate, DIED | {"positive": event}, visits=visits, folder=tmp_path)
    assert [value for *_, value in said(found)] == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert found.notes == {OTHER_LEVEL: (1, 1)}
    in_time = DATED | {"positive": event, "within": "15d"}
    found = asked(fate, in_time, visits=visits, folder=tmp_path, incomplete="no event")
    assert found.notes[OTHER_LEVEL] == (2, 1)


def test_two_values_are_nothing_to_note(tmp_path: Path) -> None:
    found = asked("id,died\n1,dead\n2,alive\n3,alive\n", DIED | {"positive": "dead"}, folder=tmp_path)
    assert found.notes == {}


def test_without_the_rows_the_column_alone_is_named() -> None:
    from sequela.cohort.columns import NamedColumn

    error = NamedColumn(key="outcome", column="died").refusal("IT holds letters", "Write numbers")
    assert isinstance(error, CohortError)
    assert str(error) == "[question] outcome: 'died' holds letters. Write numbers."
