"""Cases without chance, for what needs one good example."""

from __future__ import annotations

from typing import Any

import numpy as np
from cohorts import CLINICAL, Case, courses, document, outcome_table, random_frames


def fixed_case(seed: int, *, people: int = 8, by: str = "subject", **sections: dict[str, Any]) -> Case:
    """Return the case of a seed: next pressure at every record, all history, unless the sections say otherwise."""
    question = {"target": "sbp", "at": "every record", "horizon": "next record"} | sections.pop("question", {})
    prepare = {"min_people": 1, "plausible": {"sbp": [60, 250]}} | sections.pop("prepare", {})
    model = {"hidden": 4} | sections.pop("model", {})
    frames = random_frames(np.random.default_rng(seed), people)
    return Case(document(question, prepare, model, by, calendar=False), frames, calendar=False).changed(**sections)


def fixed_risk(seed: int, *, people: int = 12, **sections: dict[str, Any]) -> Case:
    """Return the risk case of a seed: a high value within two days, two members, a hybrid, recalibrated."""
    outcome = {"code": "crp", "above": 15, "within": "2d", "recurrent": True}
    question = {"kind": "risk", "outcome": outcome, "at": "every record"} | sections.pop("question", {})
    prepare = {"min_people": 1, "plausible": {"sbp": [60, 250]}, "clinical": CLINICAL} | sections.pop("prepare", {})
    model = {"hidden": 4, "members": 2, "hybrid": True, "recalibrate": "platt"} | sections.pop("model", {})
    generator = np.random.default_rng(seed)
    frames = random_frames(generator, people)
    frames["course"] = courses(generator, frames["people"]["id"].to_list())
    made = document(question, prepare, model, "subject", calendar=False)
    made["records"].append(outcome_table())
    return Case(made, frames, calendar=False).changed(**sections)
