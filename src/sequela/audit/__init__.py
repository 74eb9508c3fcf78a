"""Attacks on a study: leaks, overlaps, impossible columns."""

from sequela.audit.finding import Audit, Finding, Severity
from sequela.audit.settings import FINDINGS, AcceptSettings, AuditSettings
from sequela.audit.study import audit_study
from sequela.audit.table import audit_table, audit_table_file
from sequela.audit.terminal import audit_tables

__all__ = [
    "FINDINGS",
    "AcceptSettings",
    "Audit",
    "AuditSettings",
    "Finding",
    "Severity",
    "audit_study",
    "audit_table",
    "audit_table_file",
    "audit_tables",
]
