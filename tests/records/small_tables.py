from __future__ import annotations

from typing import Any

from sequela.records import Records, TableSettings


def table(**keys: Any) -> TableSettings:
    """Settings of a table named `t`; a visits table by days unless the keys say otherwise."""
    given = {"name": "t", "path": "table.csv", "subject": "id"} | keys
    if given.get("layout", "visits") in ("visits", "long") and "time" not in given:
        given["time"] = "day"
    if given.get("time") == "day" and "time_unit" not in given:
        given["time_unit"] = "days"
    return TableSettings(**given)


def reasons(records: Records) -> dict[tuple[str, str | None], int]:
    """Counts by reason and code."""
    return {(row["reason"], row["code"]): row["rows"] for row in records.counts.iter_rows(named=True)}
