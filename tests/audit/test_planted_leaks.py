"""Every planted leak is found, under the name of what it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from audited import audited
from leaks import LEAKS, Planted

from sequela.audit import FINDINGS
from sequela.errors import LeakError


@pytest.mark.parametrize("plant", LEAKS, ids=lambda plant: plant.__name__)
def test_a_planted_leak_is_found_with_its_reason(plant: Callable[[], Planted]) -> None:
    tables, question, finding, column = plant()
    audit = audited(tables, question)
    found = [one for one in audit.findings if (one.finding, one.column) == (finding, column)]
    assert [one.severity for one in found] in (["certain"], ["likely"])
    assert not [one for one in audit.findings if one.severity == "certain" and one.column != column]
    if found[0].severity == "certain":
        with pytest.raises(LeakError, match=finding):
            audit.stop_at_leaks()


def test_the_leaks_are_of_many_kinds() -> None:
    kinds = {plant()[2] for plant in LEAKS}
    assert len(LEAKS) >= 20
    assert len(kinds) >= 6
    assert kinds <= set(FINDINGS)
