"""What an audit says, what a study may accept, and that nobody can be told from it."""

from __future__ import annotations

import io
import json
import re
import tomllib
from typing import Any

import numpy as np
import polars as pl
import pytest
from audited import (
    FORECAST,
    LONG,
    STATIC,
    TIMED_RISK,
    VISITS,
    WARD_RISK,
    Tables,
    audited,
    clinic,
    table,
    ward,
    with_table,
)
from clean import ADMISSION_RISK, a_threshold_of_a_slow_value, admissions
from leaks import LEAKS, end_of_follow_up_beside_every_visit, the_time_of_the_outcome
from pydantic import ValidationError
from rich.console import Console

from sequela.audit import Audit, AuditSettings, Finding, audit_tables
from sequela.audit.finding import concluded
from sequela.audit.settings import AcceptSettings
from sequela.errors import LeakError

KEYS = ["finding", "severity", "table", "column", "evidence", "remedy", "accepted"]


def with_flag() -> Tables:
    tables = ward(seed=1)
    people = table(tables, "people").with_columns(flag=table(tables, "outcome")["died"])
    return with_table(tables, "people", people)


def severities(audit: Audit, finding: str) -> list[str]:
    return [one.severity for one in audit.findings if one.finding == finding]


def evidence(audit: Audit, finding: str) -> str:
    [one] = [one for one in audit.findings if one.finding == finding]
    return one.evidence


def test_an_accepted_leak_does_not_stop_and_keeps_its_reason() -> None:
    accept = [{"finding": "equals_outcome", "column": "flag", "reason": "it is planned a week before"}]
    audit = audited(with_flag(), WARD_RISK, accept=accept)
    audit.stop_at_leaks()
    assert [one.accepted for one in audit.findings if one.column == "flag"] == ["it is planned a week before"]


def test_a_leak_of_another_column_is_not_accepted_along() -> None:
    accept = [{"finding": "equals_outcome", "column": "flags", "reason": "a typing error"}]
    audit = audited(with_flag(), WARD_RISK, accept=accept)
    assert severities(audit, "accepted_for_nothing") == ["note"]
    with pytest.raises(LeakError, match="'flag'") as stopped:
        audit.stop_at_leaks()
    assert stopped.value.exit_code == 3
    assert "[audit] accept" in str(stopped.value)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"finding": "equals_outcom", "reason": "x"}, "Did you mean 'equals_outcome'"),
        ({"finding": "equals_outcome", "reason": " "}, "write the reason"),
        ({"finding": "equals_outcome"}, "reason"),
        ({"finding": "equals_outcome", "reason": "x", "why": "y"}, "why"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(entry: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AuditSettings.model_validate({"accept": [entry]})


def test_the_document_is_plain_and_ordered() -> None:
    document = audited(with_flag(), WARD_RISK).document()
    assert json.loads(json.dumps(document)) == document
    assert (document["format"], document["done"]) == (1, True)
    assert all(list(row) == KEYS for row in document["findings"])
    order = [("certain", "likely", "note").index(row["severity"]) for row in document["findings"]]
    assert order == sorted(order)


def test_the_surest_come_first_and_only_leaks_stop() -> None:
    found = [
        Finding(finding=finding, severity=severity, evidence="x", remedy="y", column=column)
        for finding, severity, column in [
            ("counts_down", "likely", "a"),
            ("several_spellings", "note", "a"),
            ("outcome_time", "certain", "b"),
            ("outcome_time", "certain", "a"),
        ]
    ]
    other = AcceptSettings(finding="outcome_time", reason="of no column")
    audit = concluded(found, [other])
    assert [(one.finding, one.column) for one in audit.findings] == [
        ("outcome_time", "a"),
        ("outcome_time", "b"),
        ("counts_down", "a"),
        ("several_spellings", "a"),
        ("accepted_for_nothing", None),
    ]
    with pytest.raises(
        LeakError, match=r"^The audit found 2 leaks: outcome_time \('a'\): x; outcome_time \('b'\): x y "
    ):
        audit.stop_at_leaks()
    with pytest.raises(LeakError, match=r"^The audit found a leak: outcome_time \('b'\): x y Where"):
        concluded(found[:3], []).stop_at_leaks()
    concluded(found[:2], []).stop_at_leaks()
    assert concluded([], []).document() == {"format": 1, "done": True, "findings": []}


def test_the_terminal_shows_every_finding() -> None:
    audit = audited(with_flag(), WARD_RISK)
    console = Console(width=200, record=True, file=io.StringIO())
    for each in audit_tables(audit):
        console.print(each)
    assert "equals_outcome" in console.export_text()
    assert audit_tables(Audit(findings=()))[0].row_count == 0


@pytest.mark.parametrize("width", [80, 100])
def test_names_stand_whole_in_a_narrow_terminal(width: int) -> None:
    column = "a[b]c_" * 15 + "\\"
    finding = Finding(
        finding="available_before_it_happened", severity="likely", evidence="x", remedy="y", column=column
    )
    console = Console(width=width, record=True, file=io.StringIO())
    for each in audit_tables(Audit(findings=(finding,))):
        console.print(each)
    shown = [[cell.strip() for cell in line.split("│")] for line in console.export_text().splitlines()]
    assert "".join(row[3] for row in shown if len(row) > 3) == column
    assert next(row[2] for row in shown if len(row) > 3) == finding.finding


def test_what_is_to_be_written_to_accept_a_leak_is_toml() -> None:
    finding = Finding(finding="equals_outcome", severity="certain", evidence="x", remedy="y", column='a"b\\c\n')
    with pytest.raises(LeakError) as stopped:
        Audit(findings=(finding,)).stop_at_leaks()
    written = str(stopped.value).split("[audit] ")[1].removesuffix(".")
    assert tomllib.loads(written)["accept"][0]["column"] == finding.column


@pytest.mark.parametrize("where", ["people", "visits"])
def test_levels_in_several_spellings_are_noted_without_their_words(where: str) -> None:
    tables = clinic(seed=3)
    rows = table(tables, where)
    words = ["Frau", "frau", "FRAU ", "Herr", "m\u00e4nnlich", "M\u00c4NNLICH"]
    several = pl.Series([words[row % 6] for row in range(len(rows))])
    plain = pl.Series([words[3 * (row % 2)] for row in range(len(rows))])
    audit = audited(with_table(tables, where, rows.with_columns(kind=several, one=plain)), FORECAST)
    found = [one for one in audit.findings if one.finding == "several_spellings"]
    assert [(one.column, one.severity) for one in found] == [("kind", "note")]
    assert found[0].evidence.startswith("Of its 6 levels 3 differ")
    assert "rau" not in found[0].evidence


def test_no_count_of_few_people_is_told() -> None:
    for plant in LEAKS:
        tables, question, *_ = plant()
        for one in audited(tables, question).findings:
            for count in re.findall(r"\b([\d,]+) people", one.evidence):
                assert int(count.replace(",", "")) >= 11, one.evidence
            assert "SECRET" not in one.evidence


def test_the_next_value_of_a_second_target_is_found() -> None:
    tables = clinic(seed=15)
    visits = table(tables, "visits").with_columns(later=pl.col("dbp").shift(-1).over("id"))
    audit = audited(with_table(tables, "visits", visits), {"kind": "forecast", "target": ["sbp", "dbp"]})
    assert [(one.finding, one.column) for one in audit.findings if one.severity == "certain"] == [
        ("equals_outcome", "later")
    ]


def test_an_end_of_follow_up_is_suspected_in_the_unit_of_the_study() -> None:
    tables, question, finding, column = end_of_follow_up_beside_every_visit()
    hours = with_table(tables, "visits", table(tables, "visits"), time_unit="hours")
    hours = {"visits": hours["visits"]}
    assert [one.finding for one in audited(hours, question).findings if one.column == column] == [finding]


def test_a_mean_is_known_later_also_where_the_last_prediction_is_at_the_last_record() -> None:
    tables = ward(seed=12)
    mean = table(tables, "visits").group_by("id").agg(pl.col("hr").mean()).sort("id")["hr"]
    people = table(tables, "people").with_columns(usual=mean)
    found = audited(with_table(tables, "people", people), {**TIMED_RISK, "incomplete": "no event"}).findings
    assert [one.finding for one in found if one.column == "usual"] == ["later_value_as_fact"]


def test_a_fact_that_stands_in_the_table_of_outcomes_too_is_told_apart_by_its_columns() -> None:
    tables = ward(300, seed=3)
    outcome = table(tables, "outcome").with_columns(age_outcome=table(tables, "people")["age"])
    with_age = with_table(tables, "outcome", outcome)
    found = next(one for one in audited(with_age, WARD_RISK).findings if one.finding == "equals_outcome_table")
    assert "name in `columns` of the outcome's table only what is" in found.remedy
    named = with_table(tables, "outcome", outcome, columns=["died"])
    assert not severities(audited(named, WARD_RISK), "equals_outcome_table")


def test_no_cell_is_quoted() -> None:
    tables = ward(400, seed=5)
    died = table(tables, "outcome")["died"]
    secret = pl.when(pl.col("died") == 1).then(pl.lit("SECRET-4711")).otherwise(pl.lit("home"))
    people = table(tables, "people").with_columns(died).with_columns(unit=secret).drop("died")
    audit = audited(with_table(tables, "people", people), WARD_RISK)
    assert severities(audit, "equals_outcome") == ["certain"]
    assert "SECRET" not in json.dumps(audit.document())


def test_a_column_that_is_a_rare_outcome_is_found_though_one_of_it_is_missing() -> None:
    tables = ward(3000, seed=2, prevalence=0.004)
    died = table(tables, "outcome")["died"].to_numpy().copy()
    died[died.argmax()] = 0
    people = table(tables, "people").with_columns(pl.Series("flag", died))
    found = audited(with_table(tables, "people", people), WARD_RISK).findings
    assert [one.column for one in found if one.severity != "note"] == ["flag"]


def test_a_day_of_discharge_is_a_time_ahead_where_a_day_of_admission_is_none() -> None:
    tables = admissions(seed=9)
    end = table(tables, "outcome")["end"]
    people = table(tables, "people").with_columns(left=end.floor() + 1)
    found = audited(with_table(tables, "people", people), ADMISSION_RISK).findings
    assert [(one.finding, one.column) for one in found if one.severity == "certain"] == [("outcome_time", "left")]


@pytest.mark.parametrize("by", ["time", "within"])
def test_people_in_several_parts_by_design_are_a_note(by: str) -> None:
    audit = audited(clinic(seed=3), FORECAST, split={"by": by})
    assert severities(audit, "people_overlap") == ["note"]


def test_copies_in_one_part_are_a_note_and_across_parts_a_leak() -> None:
    tables = clinic(100, seed=4)
    for name in ("visits", "people"):
        frame = table(tables, name)
        again = frame.filter(pl.col("id") < 30).with_columns(pl.col("id") + 500)
        tables = with_table(tables, name, pl.concat([frame, again]))
    together = audited(tables, FORECAST, split={"by": "order", "fractions": [0.8, 0.1, 0.1]})
    across = audited(tables, FORECAST, split={"seed": 1})
    assert severities(across, "copied_history") == ["certain"]
    assert severities(together, "copied_history") in (["certain"], ["note"])


def test_short_histories_that_agree_are_no_copies() -> None:
    rows = pl.DataFrame({"id": range(500), "day": [0.0] * 500, "pain": [k % 3 for k in range(500)]})
    more = rows.with_columns(day=pl.lit(1.0))
    audit = audited({"visits": (VISITS, pl.concat([rows, more]))}, {"kind": "forecast", "target": "pain"})
    assert not severities(audit, "copied_history")


def lab_ward(**stamps: Any) -> Tables:
    visits = table(ward(seed=6), "visits").select("id", "day", creatinine=pl.col("sbp") / 100)
    visits = visits.with_columns(hour=pl.col("day") * 24).with_columns(**stamps)
    keys = {"subject": "id", "time": "hour", "time_unit": "hours", "columns": ["creatinine"]}
    if "resulted" in visits.columns:
        keys["available"] = "resulted"
    return {"labs": (keys, visits.drop("day"))}


def test_results_without_availability_are_noted_and_with_it_not() -> None:
    question = {"kind": "forecast", "target": "creatinine"}
    assert severities(audited(lab_ward(), question), "availability_unknown") == ["note"]
    given = audited(lab_ward(resulted=pl.col("day") * 24 + 2), question)
    assert not severities(given, "availability_unknown")
    assert evidence(given, "available_later").startswith("All of its ")
    assert "half of them 2 hours or more after it" in evidence(given, "available_later")
    some = audited(lab_ward(resulted=pl.col("day") * 24 + 2 * (pl.int_range(pl.len()) % 2)), question)
    assert evidence(some, "available_later").startswith("50 % of its ")
    most = audited(lab_ward(resulted=pl.col("day") * 24 + 2 * (pl.int_range(pl.len()) > 2)), question)
    assert evidence(most, "available_later").startswith("All but fewer than 11 of its ")
    few = audited(lab_ward(resulted=pl.col("day") * 24 + 2 * (pl.col("id") < 10)), question)
    assert not severities(few, "available_later")
    early = audited(lab_ward(resulted=pl.col("day") * 24 - 2), question)
    assert not severities(early, "available_later")
    assert severities(early, "available_before_it_happened") == ["likely"]


@pytest.mark.parametrize(("unit", "severity"), [("seconds", ["note"]), ("hours", ["note"]), ("days", [])])
def test_results_want_a_time_of_availability_where_times_are_finer_than_days(unit: str, severity: list[str]) -> None:
    keys, labs = lab_ward()["labs"]
    audit = audited({"labs": ({**keys, "time_unit": unit}, labs)}, {"kind": "forecast", "target": "creatinine"})
    assert severities(audit, "availability_unknown") == severity


@pytest.mark.parametrize(
    ("codes", "rows", "words"),
    [
        (["creatinine"], 10, "Fewer than 11 rows say"),
        (["creatinine"], 11, "11 rows say"),
        (["creatinine", "urea"], 6, ""),
    ],
)
def test_rows_that_were_known_early_are_told_with_their_one_code(codes: list[str], rows: int, words: str) -> None:
    keys, labs = lab_ward(urea=pl.lit(1.0), resulted=pl.col("day") * 24 - 2 * (pl.int_range(pl.len()) < rows))["labs"]
    audit = audited({"labs": ({**keys, "columns": codes}, labs)}, {"kind": "forecast", "target": "creatinine"})
    [found] = [one for one in audit.findings if one.finding == "available_before_it_happened"]
    assert found.column == (codes[0] if len(codes) == 1 else None)
    assert found.evidence.startswith(words)


def test_codes_that_come_with_the_outcome_are_noted() -> None:
    tables = ward(300, seed=7)
    dead = table(tables, "outcome").filter(pl.col("died") == 1)
    rows = pl.DataFrame(
        {"id": dead["id"], "day": dead["stay"], "code": ["MORGUE"] * len(dead), "value": [1.0] * len(dead)}
    )
    deaths = rows.with_columns(code=pl.lit("DEATH"))
    keys = {"layout": "long", "subject": "id", "time": "day", "time_unit": "days", "value": "value"}
    again = deaths.with_columns(pl.col("day") + 1)  # told once more: the first counts
    tables = {"visits": tables["visits"], "codes": (keys, pl.concat([rows, deaths, again]))}
    question = {"kind": "risk", "outcome": {"code": "DEATH", "within": "2d"}, "incomplete": "no event"}
    audit = audited(tables, question)
    assert [one.column for one in audit.findings if one.finding == "only_after_outcome"] == ["MORGUE"]
    assert evidence(audit, "only_after_outcome").startswith(
        "Of its 60 records, those of 60 people, all stand at the time of the outcome (all of these) or after it. "
    )
    assert severities(audit, "known_at_prediction_time") == ["note"]
    audit.stop_at_leaks()
    early = with_table(tables, "codes", pl.concat([rows.with_columns(pl.col("day") - 0.01), deaths]))
    assert not {"only_after_outcome", "known_at_prediction_time"} & {
        one.finding for one in audited(early, question).findings
    }


def test_a_column_that_repeats_the_time_of_the_outcome_is_told_once() -> None:
    tables, question, finding, column = the_time_of_the_outcome()
    found = [one.finding for one in audited(tables, question).findings if one.severity == "certain"]
    assert (found, column) == ([finding], "futime")


def test_the_time_of_an_event_is_a_time_ahead_also_where_some_are_never_asked() -> None:
    tables = ward(300, seed=9)
    outcome = table(tables, "outcome")
    dead = outcome.filter(pl.col("died") == 1)
    deaths = pl.DataFrame({"id": dead["id"], "day": dead["stay"], "code": "DEATH", "value": 1.0})
    people = table(tables, "people").with_columns(t=(24 * outcome["stay"]).round(1) + 100)
    tables = {"visits": tables["visits"], "people": (STATIC, people), "codes": ({**LONG, "text": "text_value"}, deaths)}
    question = {"kind": "risk", "from": "origin", "at": "1d", "outcome": {"code": "DEATH", "within": "30d"}}
    audit = audited(tables, {**question, "incomplete": "no event"})
    [found] = [one for one in audit.findings if one.column == "t"]
    assert (found.finding, found.severity) == ("outcome_time", "certain")
    assert found.evidence.startswith(
        "It is the time of the outcome times 24, plus a constant, but for rounding: for all"
    )


def test_a_threshold_or_a_grid_of_times_that_meets_no_record_has_nothing_to_note() -> None:
    grid = audited(clinic(seed=3), {**FORECAST, "at": "every 1000003s"})
    assert not severities(grid, "known_at_prediction_time")
    assert not severities(audited(*a_threshold_of_a_slow_value()), "known_at_prediction_time")


@pytest.mark.parametrize(
    ("at_once", "words"),
    [
        (200, "At all of 200 predictions, of all of 200 people, something"),
        (197, "At all but fewer than 11 of 200 predictions, of all but fewer than 11 of 200 people, something"),
        (11, "At 6 % of 200 predictions, of 6 % of 200 people, something"),
        (10, None),
    ],
)
def test_who_is_asked_when_something_becomes_known_is_told_of_eleven_people(at_once: int, words: str | None) -> None:
    day = np.column_stack([np.zeros(200), np.where(np.arange(200) < at_once, 10, 9), np.full(200, 20)]).reshape(-1)
    visits = pl.DataFrame({"id": np.repeat(np.arange(200), 3), "day": day, "sbp": np.arange(600) % 37 + 100.0})
    audit = audited({"visits": (VISITS, visits)}, {**FORECAST, "at": "10d"})
    if words is None:
        assert not severities(audit, "known_at_prediction_time")
    else:
        assert evidence(audit, "known_at_prediction_time").startswith(words)


def test_a_static_weight_is_suspected_where_records_precede_it_and_noted_elsewhere() -> None:
    tables = clinic(seed=8)
    facts = table(tables, "people").with_columns(bmi=pl.lit(25.0) + pl.col("id") % 10)
    after = audited(with_table(tables, "people", facts), FORECAST)
    before = audited(
        with_table(
            with_table(tables, "people", facts), "visits", table(tables, "visits").with_columns(pl.col("day") - 90)
        ),
        FORECAST,
    )
    assert severities(after, "static_after_records") == ["note"]
    assert severities(before, "static_after_records") == ["likely"]


def test_what_cannot_change_may_be_a_fact() -> None:
    tables = clinic(seed=9)
    facts = table(tables, "people").with_columns(height=170 + pl.col("id") % 20, ethnicity=pl.lit("a"))
    early = with_table(tables, "visits", table(tables, "visits").with_columns(pl.col("day") - 90))
    assert not severities(audited(with_table(early, "people", facts), FORECAST), "static_after_records")


def test_a_length_of_stay_is_suspected_by_its_name() -> None:
    tables = ward(seed=10)
    facts = table(tables, "people").with_columns(length_of_stay=pl.col("id") % 7)
    audit = audited(with_table(tables, "people", facts, **STATIC), TIMED_RISK)
    assert severities(audit, "static_after_records") == ["likely"]
