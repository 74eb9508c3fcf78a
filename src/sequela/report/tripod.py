"""TRIPOD+AI: which items of the checklist this page answers, and which the authors must.

Source: Collins GS, Moons KGM, Dhiman P, et al. TRIPOD+AI statement. BMJ 2024;385:e078378. The wording is shortened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

ANSWERED, IN_PART, AUTHORS = "answered", "in part", "the author must fill this in"
NO_QUESTION = "does not apply"


@dataclass(frozen=True)
class Item:
    """One item of the checklist.

    Args:
        number: as in the statement.
        topic: its heading there.
        wording: what it asks for, shortened.
        section: the id of the section of this page that answers it, or a part of it; empty where none does.
        missing: what the authors must add; empty where nothing is left.
        applies: whether it can be asked of such a study at all.
    """

    number: str
    topic: str
    wording: str
    section: str = ""
    missing: str = ""
    applies: bool = True

    @property
    def status(self) -> str:
        """Whether the page answers it."""
        if not self.applies:
            return NO_QUESTION
        return AUTHORS if not self.section else IN_PART if self.missing else ANSWERED


@dataclass(frozen=True)
class Known:
    """What a run did, where an item depends on it; of a forecast only its kind counts, and whether it has intervals."""

    forecast: bool = False
    intervals: bool = False
    recalibrated: bool = False
    class_weights: bool = False
    subgroups: bool = False


def checklist_view(known: Known, sections: Mapping[str, str]) -> dict[str, Any]:
    """What the templates of the checklist need.

    Args:
        known: what the run did.
        sections: the headings of the kind's own sections by their ids.
    """
    items = checklist(known)
    return {
        "checklist": items,
        "section_names": {**_SECTIONS, **sections},
        "items_answered": _in_all(items),
        "tripod": numbers_by_section(items),
    }


def checklist(known: Known) -> list[Item]:
    """All items, with what this run answers of them."""
    of_kind = _of_forecast if known.forecast else _of_risk
    return [of_kind(item, known) for item in _ITEMS]


def numbers_by_section(items: list[Item]) -> Mapping[str, str]:
    """The numbers of the items that each section answers, as a heading names them."""
    found: dict[str, list[str]] = {}
    for item in items:
        if item.section:
            found.setdefault(item.section, []).append(item.number)
    return {section: ", ".join(numbers) for section, numbers in found.items()}


def _in_all(items: list[Item]) -> str:
    """How many of the items, parts counted singly, this page answers."""
    answered, in_part, authors, other = (
        sum(item.status == status for item in items) for status in (ANSWERED, IN_PART, AUTHORS, NO_QUESTION)
    )
    text = f"Of {len(items)} parts, {answered} are answered, {in_part} in part, and {authors} are left to the authors"
    return f"{text}; {other} does not apply." if other else f"{text}."


def _of_risk(item: Item, known: Known) -> Item:
    if item.number in ("12f", "24") and not known.recalibrated:
        return replace(item, missing="The study recalibrates nothing; say so, or why.")
    if item.number == "13" and known.class_weights:
        return replace(item, missing="Why classes were weighted.")
    if item.number in ("14", "23a") and not known.subgroups:
        return replace(item, missing="The study names no subgroups (`subgroups` under [evaluate]).")
    return item


def _of_forecast(item: Item, known: Known) -> Item:
    if item.number in ("12f", "24"):
        return replace(item, section="results", missing="Nothing was recalibrated: forecasts stand as the models make "
                       "them. Say so, or why.")  # fmt: skip
    if item.number == "13":
        return replace(item, section="", applies=False, missing="It does not apply: a number is forecast, no class.")
    if item.number == "14":
        return replace(item, section="", missing=f"{_NO_GROUPS} Name what was done for fairness, and why.")
    if item.number == "15":
        return replace(item, section="intervals" if known.intervals else "asked", missing="Whether anybody acts from a "
                       "value on, and why from that.")  # fmt: skip
    if item.number == "23a":
        return replace(item, missing=_NO_GROUPS)
    return item


_NO_GROUPS = "This version does not judge a forecast by subgroups of people."
_SECTIONS = {
    "summary": "Summary",
    "asked": "What was asked",
    "data": "The data",
    "split": "The split",
    "preparation": "Preparation",
    "network": "The network",
    "limits": "Limits and use",
    "study": "Study and versions",
}

_ITEMS = (
    Item("1", "Title", "Identify the study as developing or evaluating a prediction model, the target population and "
         "the outcome", "summary", "The population, in the title of the publication."),
    Item("2", "Abstract", "See TRIPOD+AI for Abstracts"),
    Item("3a", "Background", "Healthcare context (diagnostic or prognostic), rationale, existing models"),
    Item("3b", "Background", "Target population, purpose of the model in the care pathway, intended users"),
    Item("3c", "Background", "Known health inequalities between sociodemographic groups"),
    Item("4", "Objectives", "Objectives; whether development, validation or both", "asked",
         "This page describes development with internal validation; state the clinical objective."),
    Item("5a", "Data", "Sources of the data, why these, how representative they are", "data",
         "Kind of source (trial, cohort, routine care), why, whom it represents."),
    Item("5b", "Data", "Dates: start and end of accrual, end of follow-up"),
    Item("6a", "Participants", "Setting, number and location of centres"),
    Item("6b", "Participants", "Eligibility criteria", "data", "Criteria applied before the files were made."),
    Item("6c", "Participants", "Treatments received, and how they were handled"),
    Item("7", "Data preparation", "Pre-processing and quality checks, alike across sociodemographic groups",
         "preparation", "Whether the checks fit all groups alike."),
    Item("8a", "Outcome", "Definition and time horizon of the outcome, how and when assessed, why this one, consistent "
         "across groups", "asked", "How the outcome was assessed, and why it was chosen."),
    Item("8b", "Outcome", "Qualifications and demographics of outcome assessors, where assessment is subjective"),
    Item("8c", "Outcome", "Blinding of the assessment of the outcome"),
    Item("9a", "Predictors", "Choice of initial predictors and any pre-selection", "data",
         "Why these variables were collected."),
    Item("9b", "Predictors", "Definition of all predictors, how and when measured, blinding", "data",
         "How each was measured; blinding."),
    Item("9c", "Predictors", "Qualifications and demographics of predictor assessors, where subjective"),
    Item("10", "Sample size", "How the study size was arrived at, and that it suffices", "split",
         "Why this size suffices; any calculation."),
    Item("11", "Missing data", "How missing data were handled; reasons for omitting data", "preparation"),
    Item("12a", "Analytical methods", "How the data were used and partitioned", "split"),
    Item("12b", "Analytical methods", "How predictors were handled: form, rescaling, transformation", "preparation"),
    Item("12c", "Analytical methods", "Type of model, rationale, all steps of building, tuning, internal validation",
         "network", "The rationale."),
    Item("12d", "Analytical methods", "Heterogeneity across clusters such as hospitals"),
    Item("12e", "Analytical methods", "All measures and plots of performance, and how models were compared", "results"),
    Item("12f", "Analytical methods", "Model updating, such as recalibration", "calibration"),
    Item("12g", "Analytical methods", "How predictions were calculated for the evaluation", "study"),
    Item("13", "Class imbalance", "Methods against class imbalance, and recalibration after them", "network"),
    Item("14", "Fairness", "Approaches to fairness and their rationale", "subgroups",
         "What was done for fairness beyond reporting subgroups, and why."),
    Item("15", "Model output", "Output of the model; any classification and how thresholds were found", "benefit",
         "Why these thresholds."),
    Item("16", "Training versus evaluation", "Differences between development and evaluation data", "split"),
    Item("17", "Ethical approval", "Committee, informed consent or waiver"),
    Item("18a", "Funding", "Source of funding, role of the funders"),
    Item("18b", "Conflicts of interest", "Conflicts of interest and financial disclosures of all authors"),
    Item("18c", "Protocol", "Where the protocol is, or that there was none"),
    Item("18d", "Registration", "Register and number, or that the study was not registered"),
    Item("18e", "Data sharing", "Availability of the data"),
    Item("18f", "Code sharing", "Availability of the analytical code", "study", "Whether study file and bundle are "
         "published."),
    Item("19", "Patient and public involvement", "Involvement in design, conduct, reporting, or none"),
    Item("20a", "Participants", "Flow of participants, with and without the outcome, follow-up time", "data",
         "What happened before the files were made."),
    Item("20b", "Participants", "Characteristics: key dates, predictors, treatments, events, follow-up, missing data",
         "data", "A table of characteristics by key demographic groups."),
    Item("20c", "Participants", "Comparison with the development data of the distribution of important predictors"),
    Item("21", "Model development", "Participants and events in each analysis", "split"),
    Item("22", "Model specification", "The full model, so that others can predict and evaluate; restrictions", "study",
         "Where the bundle can be had, and under which terms."),
    Item("23a", "Model performance", "Performance with confidence intervals, also for key subgroups", "results"),
    Item("23b", "Model performance", "Heterogeneity across clusters, if examined"),
    Item("24", "Model updating", "Results of updating: the updated model and its performance", "calibration"),
    Item("25", "Interpretation", "Overall interpretation, fairness, previous studies", "summary",
         "Fairness and previous studies."),
    Item("26", "Limitations", "Limitations and their effects on bias, uncertainty, generalisability", "limits",
         "Limitations of how the data came about."),
    Item("27a", "Usability", "How poor or unavailable input data are to be handled in use", "preparation",
         "What is to be done at the bedside."),
    Item("27b", "Usability", "Whether users must handle inputs, and the expertise that they need"),
    Item("27c", "Usability", "Next steps for research: applicability and generalisability"),
)  # fmt: skip
