"""`[prepare.clinical]` of the tests: every way to ask for a column once, on two codes and a fact."""

from __future__ import annotations

from sequela.prepare.clinical import ClinicalSettings

ASKED_FOR = ClinicalSettings.model_validate(
    {
        "reference": {"x": [-3.0, 4.0], "y": ["none", 0.0]},
        "scores": {
            "bad": {
                "window": "12h",
                "parts": {
                    "x": {"below": [[-5, 3], [0, 1]], "at_least": [[5, 2]]},
                    "y": {"of": "sum", "at_least": [[4, 1], [8, 2]]},
                    "height": {"below": [[160, 1]]},
                },
            }
        },
        "amounts": ["y", "y / x", "y / height"],
    }
)
