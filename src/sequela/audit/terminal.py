"""Findings for the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from sequela.audit.finding import Audit, Severity

_COLOUR: dict[Severity, str] = {"certain": "red", "likely": "yellow", "note": "dim"}


def audit_tables(audit: Audit) -> list[Table]:
    """Return the findings as a table, the surest first; of an audit without findings, a table that says so."""
    table = Table(title="Audit", title_justify="left", show_lines=bool(audit.findings))
    if not audit.findings:
        table.add_column("nothing was found that speaks against it")
        return [table]
    for column in ("severity", "finding", "where", "evidence", "remedy"):
        table.add_column(column, overflow="fold", no_wrap=column in ("severity", "finding"))  # names to be written down
    for one in audit.findings:
        where = ", ".join(part for part in (one.table, one.column) if part is not None)
        accepted = f" Accepted: {one.accepted}" if one.accepted is not None else ""
        table.add_row(
            Text(one.severity, style=_COLOUR[one.severity]),
            *(Text(words) for words in (one.finding, where, one.evidence, one.remedy + accepted)),
        )
    return [table]
