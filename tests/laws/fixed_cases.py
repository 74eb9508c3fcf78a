"""Cases without chance, for what needs one good example."""

from __future__ import annotations

from typing import Any

import numpy as np
from cohorts import Case, document, random_frames


def fixed_case(seed: int, *, people: int = 8, by: str = "subject", **sections: dict[str, Any]) -> Case:
    """Return the case of a seed: next pressure at every record, all history, unless the sections say otherwise."""
    question = {"target": "sbp", "at": "every record", "horizon": "next record"} | sections.pop("question", {})
    prepare = {"min_people": 1, "plausible": {"sbp": [60, 250]}} | sections.pop("prepare", {})
    model = {"hidden": 4} | sections.pop("model", {})
    frames = random_frames(np.random.default_rng(seed), people)
    return Case(document(question, prepare, model, by, calendar=False), frames, calendar=False).changed(**sections)
