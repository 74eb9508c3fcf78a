"""The audit of a study, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from sequela.audit.finding import Audit, Finding, concluded
from sequela.audit.settings import AuditSettings
from sequela.cohort import Cohort, Question, Split, SplitSettings
from sequela.predict import Evidence
from sequela.records import Records, TableSettings


def audit_study(
    *,
    records: Records,
    evidence: Evidence,
    cohort: Cohort,
    splits: Sequence[Split],
    question: Question,
    split_by: SplitSettings,
    tables: Sequence[TableSettings] = (),
    settings: AuditSettings | None = None,
) -> Audit:
    """Return what speaks against a study; `Audit.stop_at_leaks` stops where something is certain.

    Args:
        records: as read, before the outcome's columns are set apart.
        evidence: what models may see, and the outcomes apart.
        cohort: the labelled predictions.
        splits: of each fold.
        question: the study's question.
        split_by: how people were divided.
        tables: what the study says of its tables.
        settings: what the study accepts.
    """
    found: list[Finding] = []
    return concluded(found, (settings or AuditSettings()).accept)
