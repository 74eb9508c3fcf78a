"""What happened, to whom, when: any source becomes one checked table (contract 1).

`read_records` is the way in. Behind it, in the order in which a table passes through: `settings` (what the study says),
`sources` and `delimited` (files), `stamped` with `times` (who and when), `layouts` and `long_layout` with `values`
(what), `events` (one sorted table). `origin` words every refusal; `written` keeps the rows of an outcome's columns.
"""

from sequela.records.clock import Clock
from sequela.records.parts import BIRTH_PREFIX, DEATH_PREFIX
from sequela.records.read import Records, TableSummary, read_records
from sequela.records.settings import SeriesSettings, TableSettings, TimeUnit

__all__ = [
    "BIRTH_PREFIX",
    "DEATH_PREFIX",
    "Clock",
    "Records",
    "SeriesSettings",
    "TableSettings",
    "TableSummary",
    "TimeUnit",
    "read_records",
]
