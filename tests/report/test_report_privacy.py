"""No count of 1 to 10 people on the page, neither written nor left to subtraction."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from report_pages import page_of, text_of
from run_folders import read_json, write_json
from test_report_page import KINDS

from sequela.report.data import totals_of
from sequela.report.formats import Profile
from sequela.report.privacy import guarded, rounded, shown_cases, shown_count, shown_parts, shown_share

counts = st.integers(0, 400)
_COLUMN = "column 'table' is not read in layout long"


def exact(text: str) -> int | None:
    return int(text.replace(",", "")) if re.fullmatch(r"[\d,]+", text) else None


@pytest.mark.parametrize("few", range(1, 11))
def test_small_counts_are_masked(few: int) -> None:
    assert shown_count(few) == "<11"
    assert shown_count(100 - few, beside=[100]) == "all but <11 of 100"
    assert shown_count(100 + few, beside=[100]) == "100 and <11 more"


def test_a_total_of_few_is_never_named() -> None:
    assert shown_count(0, beside=[2]) == "0"
    assert shown_parts([2, 0], of=2, beside=[2]) == ["<11", "0"]


def test_nobody_and_eleven_are_shown() -> None:
    assert [shown_count(count) for count in (0, 11, 12345, None)] == ["0", "11", "12,345", "–"]


@example([300, 40, 1, 1])
@example([300, 10, 10])
@example([300, 40, 3, 4])
@given(st.lists(counts, min_size=2, max_size=5))
def test_a_masked_part_cannot_be_found_from_the_total(parts: list[int]) -> None:
    shown = [exact(text) for text in shown_parts(parts, of=sum(parts))]
    assert all(count is None or count == 0 or count >= 11 for count in shown)
    hidden = [part for part, count in zip(parts, shown, strict=True) if count is None]
    assert len(hidden) != 1 or not any(part >= 11 for part in parts)
    masked = [part for part in parts if 0 < part < 11]
    if masked and hidden == masked and any(part >= 11 for part in parts):
        assert 11 <= sum(masked) < 10 * len(masked), "several numbers can be behind each, and behind all of them"


@example([(0, 11), (1, 0)])
@given(st.lists(st.tuples(counts, counts), min_size=2, max_size=5))
def test_few_without_the_event_cannot_be_found_from_those_with_it(groups: list[tuple[int, int]]) -> None:
    cases = [case for case, _ in groups]
    shown = [exact(text) for text in shown_cases(cases, [sum(both) for both in groups], of=sum(cases))]
    assert all(one is None or not (0 < one < 11 or 0 < none < 11) for one, (_, none) in zip(shown, groups, strict=True))
    hidden = [both for one, both in zip(shown, groups, strict=True) if one is None]
    if any(0 < sum(counts) < 11 for counts in zip(*groups, strict=True)):
        return  # a total that is not told: there is nothing to subtract from
    assert len(hidden) != 1 or not any(max(both) >= 11 for both in groups if both not in hidden)


@given(counts, st.integers(0, 30), st.integers(0, 30), st.tuples(counts, counts, counts))
def test_no_two_totals_differ_by_one_to_ten(extra: int, asked: int, read: int, parts: tuple[int, int, int]) -> None:
    total = sum(parts)
    profile = Profile.model_validate(
        {
            "format": 1, "name": "", "clock": {"calendar": False}, "events": 0, "instants": 0, "variables": [],
            "tables": [{"name": "a", "file": "a", "layout": "visits", "rows": 0, "people": total + asked + extra}],
            "people": {"read": total + asked + read, "asked": total + asked, "predicted": total},
            "asked": {"predictions": total + asked},
            "split": {"by": "subject", "people": dict(zip(("train", "tuning", "held_out"), parts, strict=True)),
                      "predictions": dict(zip(("train", "tuning", "held_out"), parts, strict=True))},
            "network": {"parameters": 1, "cell": "lstm", "hidden": [1], "predictions_train": 1, "people_train": 1},
        }
    )  # fmt: skip
    totals = totals_of(profile)
    shown = [exact(text) for text in (totals.read, totals.asked, totals.predicted, *totals.tables)]
    split = [exact(text) for text in totals.split_people]
    shown += [sum(count for count in split if count is not None)] if None not in split else []
    known = [count for count in shown if count]
    assert not any(0 < abs(one - other) < 11 for one in known for other in known)


@given(st.integers(1, 10), st.integers(11, 100_000))
def test_a_share_does_not_give_a_small_count_away(few: int, of: int) -> None:
    if of >= few:
        assert shown_share(few / of, of=of).startswith(("under", "over"))


@given(st.integers(1, 10), st.data())
def test_no_share_of_few_is_told(of: int, data: st.DataObject) -> None:
    assert shown_share(data.draw(st.integers(0, of)) / of, of=of) == "not shown"


@given(st.integers(11, 3000), st.data())
def test_a_coarse_share_leaves_eleven_counts_open(of: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, of))
    said = [shown_share(other / of, of=of, coarse=True) for other in range(of + 1)]
    assert said.count(said[count]) >= 11


@given(st.integers(1, 3_000_000))
def test_of_a_rounded_count_no_few_can_be_taken_away(count: int) -> None:
    near = range(max(1, count - 60), count + 61)
    assert sum(rounded(other) == rounded(count) for other in near) >= 22


def test_cells_less_values_do_not_tell_few_rows(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    profile = read_json(run / "profile.json")
    table = next(one for one in profile["tables"] if one["name"] == "visits")
    duplicates = {"table": "visits", "reason": "duplicate row", "code": None}
    empty = {"table": "visits", "reason": "empty cell", "code": "sbp", "rows": 400}

    def data_with(few: int) -> str:
        """The rows less the duplicates and the empty cells are the values."""
        profile["variables"] = [
            one | {"values": max(one["values"], 11), "implausible": 0} for one in profile["variables"]
        ]
        sbp = next(one for one in profile["variables"] if one["code"] == "sbp")
        sbp["values"] = table["rows"] - 400 - few
        profile["counts"] = [duplicates | {"rows": few}, empty, duplicates | {"reason": _COLUMN, "rows": table["rows"]}]
        profile["events"] = sum(one["values"] for one in profile["variables"])
        write_json(run / "profile.json", profile)
        return text_of(page_of(run).split('id="data"')[1].split('id="split"')[0])

    found = data_with(3)
    assert f"visits: {_COLUMN}." in found.split("Variables")[0]
    assert _COLUMN not in found.split("Variables")[1]
    assert "duplicate row visits all <11" in found
    assert "empty cell visits sbp about 400" in found
    assert f"Values {rounded(profile['events'])}" in found
    found = data_with(30)
    assert "empty cell visits sbp 400" in found


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("only 7 held-out people", "only fewer than 11 held-out people"),
        ("for 1 person and 10 patients", "for fewer than 11 person and fewer than 11 patients"),
        ("fewer than 10 held-out people", "fewer than 10 held-out people"),
        ("1,007 people, 0.7 people, 11 people", "1,007 people, 0.7 people, 11 people"),
        ("three tuning people", "fewer than 11 tuning people"),
    ],
)
def test_sentences_of_other_stages_hold_no_small_count(said: str, shown: str) -> None:
    assert guarded(said) == shown


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_page_counts_one_to_ten_people(run_folder: Callable[..., Path], kind: dict[str, Any]) -> None:
    text = text_of(page_of(run_folder(**kind))).split("The study, with every default")[0]
    small = r"(?<![\d.,<–\[−-])\b(?:[1-9]|10)\b(?![\d.,]*\d)"
    assert not re.search(
        rf"{small} (?:[a-z-]+ ){{0,2}}(?:people|persons?|patients?)\b", text.replace("fewer than 10", "")
    )
    data = text.split("2 The data")[-1].split("Tables Table")[-1].split("The network A recurrent")[0]
    cells = re.sub(r"<11|at one instant|1\.1 years|[\d.]+ days", "", data)
    for secret in (3, 4, 5, 6, 7, 8):
        assert not re.search(rf"(?<![\d.,]) {secret} (?![\d.])", cells.split("The split")[0]), secret


def test_with_folds_few_that_were_left_out_are_not_left_to_subtraction(run_folder: Callable[..., Path]) -> None:
    run = run_folder(folds=5)
    profile = read_json(run / "profile.json")
    held_out = profile["split"]["predictions"]["held_out"]
    profile["asked"]["predictions"] = held_out + 47
    profile["exclusions"][0] |= {"predictions": 40, "people": 30}
    write_json(run / "profile.json", profile)
    text = text_of(page_of(run))
    assert "no next record 37 to 46" in text
    profile["asked"]["predictions"] = held_out + 7
    profile["exclusions"] = profile["exclusions"][1:]
    write_json(run / "profile.json", profile)
    text = text_of(page_of(run))
    assert f"Prediction times {held_out:,} and <11 more" in text


def test_a_bar_is_not_drawn_finer_than_its_text(run_folder: Callable[..., Path]) -> None:
    run = run_folder(few=True)
    page = page_of(run)
    row = re.search(r"<th[^>]*>birth</th>.*?</tr>", page, re.DOTALL)
    assert row is not None
    assert "under" in row[0]
    assert 'class="part"' not in row[0]


def test_cells_and_bands_of_few_people_are_dropped_even_if_the_file_holds_them(run_folder: Callable[..., Path]) -> None:
    run = run_folder()
    curves = read_json(run / "curves.json")
    target = curves["targets"][0]
    target["hexagons"]["cells"].append({"x": 95.0, "y": 400.0, "predictions": 4})
    target["error_by_gap"][2]["people"] = 4
    target["error_by_gap"][2]["predictions"] = 987
    write_json(run / "curves.json", curves)
    page = page_of(run)
    assert "which hides 803 predictions" in text_of(page)
    assert "n = 987" not in page
    assert ">400<" not in page
