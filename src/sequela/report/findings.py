"""What the audit found, as a table; and whether it was carried out at all."""

from __future__ import annotations

from dataclasses import dataclass

from sequela.audit import FINDINGS
from sequela.report.formats import Audit
from sequela.report.privacy import guarded
from sequela.report.tables import Column, TableView
from sequela.report.words import DASH

_SEVERITIES = {"certain": "Certain", "likely": "Likely", "note": "Note"}


@dataclass(frozen=True)
class AuditView:
    """What the page says of the audit."""

    done: bool
    findings: TableView | None
    accepted: int
    stand: int


def audit_view(audit: Audit | None) -> AuditView:
    """The audit's findings, the surest first, with the reasons for which the study lets some stand."""
    if audit is None:
        return AuditView(done=False, findings=None, accepted=0, stand=0)
    found = sorted(audit.findings, key=lambda one: list(_SEVERITIES).index(one.severity))
    accepted = sum(one.accepted is not None for one in found)
    table = TableView(
        caption="Findings",
        columns=[Column("How sure"), Column("Finding"), Column("Where", "words name"), Column("Evidence and remedy"),
                 Column("Accepted by the study, because")],
        rows=[
            [
                _SEVERITIES[one.severity],
                FINDINGS.get(one.finding, one.finding.replace("_", " ")),
                ", ".join(part for part in (one.table, one.column) if part) or DASH,
                f"{guarded(one.evidence)} {one.remedy}".strip().replace("`", ""),
                one.accepted or DASH,
            ]
            for one in found
        ],
    )  # fmt: skip
    serious = sum(one.severity != "note" and one.accepted is None for one in found)
    return AuditView(done=audit.done, findings=table if found else None, accepted=accepted, stand=serious)
