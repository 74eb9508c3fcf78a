"""The same material with another outcome of some predictions: what changes then has learned from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sequela.study.material import Material, Numbers


def turned(material: Material, chosen: Numbers) -> Material:
    """Return the material with the outcome of the chosen predictions turned round."""
    labels = material.cohort.labels
    assert labels is not None
    value = np.array(labels.value)
    value[chosen] = 1 - value[chosen]
    return replace(material, cohort=replace(material.cohort, labels=replace(labels, value=value)))
