"""What an audit finds, how sure it is, and when it stops a study."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sequela.audit.settings import AcceptSettings
from sequela.errors import LeakError

Severity = Literal["certain", "likely", "note"]
SEVERITIES: tuple[Severity, ...] = ("certain", "likely", "note")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that looks like a leak.

    Attributes:
        finding: its name, one of `FINDINGS`.
        severity: certain (a leak, the run stops), likely (look at it), note (good to know).
        table: the study's table, where there is one.
        column: the column or code, where there is one.
        evidence: a sentence with the figures; never an id, never a count of 1 to 10 people.
        remedy: what to do about it.
        accepted: the study's reason to let it stand, where it gives one.
    """

    finding: str
    severity: Severity
    evidence: str
    remedy: str
    table: str | None = None
    column: str | None = None
    accepted: str | None = None

    @property
    def stops(self) -> bool:
        """True for a certain leak that the study does not accept."""
        return self.severity == "certain" and self.accepted is None


@dataclass(frozen=True, kw_only=True)
class Audit:
    """All findings, the surest first; of a study, which may accept some, or of a table."""

    findings: tuple[Finding, ...]
    of_study: bool = True

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """Return the certain leaks that nobody accepted."""
        return tuple(finding for finding in self.findings if finding.stops)

    def document(self) -> dict[str, Any]:
        """Return `audit.json`."""
        keys = ("finding", "severity", "table", "column", "evidence", "remedy", "accepted")
        rows = [{key: getattr(finding, key) for key in keys} for finding in self.findings]
        return {"format": 1, "done": True, "findings": rows}

    def stop_at_leaks(self) -> None:
        """Stop where there is a certain leak.

        Raises:
            LeakError: names every one of them, with its remedy.
        """
        if not self.leaks:
            return
        named = "; ".join(f"{finding.finding}{_where(finding)}: {finding.evidence}" for finding in self.leaks)
        one = self.leaks[0]
        acceptable = (
            " Where it is no leak, say why: "
            f'[audit] accept = [{{ finding = "{one.finding}"{_column_key(one)}, reason = "..." }}].'
        )
        raise LeakError(
            f"The audit found {'a leak' if len(self.leaks) == 1 else f'{len(self.leaks)} leaks'}: {named} "
            f"{_remedies(self.leaks)}{acceptable if self.of_study else ''}"
        )


def _where(finding: Finding) -> str:
    return f" ('{finding.column}')" if finding.column is not None else ""


def _column_key(finding: Finding) -> str:
    return f", column = {json.dumps(finding.column, ensure_ascii=False)}" if finding.column is not None else ""


def _remedies(findings: Sequence[Finding]) -> str:
    return " ".join(dict.fromkeys(finding.remedy for finding in findings))


def concluded(found: Iterable[Finding], accept: Sequence[AcceptSettings]) -> Audit:
    """Return the audit: the surest first, those that the study accepts marked, and what it accepts for nothing noted.

    Args:
        found: in any order; the same finding about the same column counts once, as the surest.
        accept: of the study.
    """
    ordered = sorted(
        found, key=lambda one: (SEVERITIES.index(one.severity), one.finding, one.table or "", one.column or "")
    )
    first = {(one.finding, one.table, one.column): one for one in reversed(ordered)}
    marked = [_marked(one, accept) for one in ordered if first[one.finding, one.table, one.column] is one]
    unused = [
        Finding(
            finding="accepted_for_nothing",
            severity="note",
            column=entry.column,
            evidence=f"The study accepts {entry.finding}, and the audit finds none here.",
            remedy="Remove the entry from [audit] accept, or mend its column.",
        )
        for entry in accept
        if not any(_is_meant(entry, one) for one in ordered)
    ]
    return Audit(findings=(*marked, *unused))


def _marked(one: Finding, accept: Sequence[AcceptSettings]) -> Finding:
    return next((replace(one, accepted=entry.reason) for entry in accept if _is_meant(entry, one)), one)


def _is_meant(entry: AcceptSettings, one: Finding) -> bool:
    return entry.finding == one.finding and entry.column == one.column
