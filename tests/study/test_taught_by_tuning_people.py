"""Models of a risk that tuning people teach in the end: what is judged on those people was said before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from other_outcomes import turned
from small_study import write_risk_study

import sequela
from sequela.bundle import write_bundle
from sequela.cohort import HELD_OUT, TRAIN, TUNING, Split
from sequela.evaluate import fit_recalibration
from sequela.predict import outputs
from sequela.study.fit import fit_split
from sequela.study.material import Fit, Material, Numbers
from sequela.study.predictions import predictions_table
from sequela.study.story import divide, gather
from sequela.study.watch import Watch

PEOPLE = 600
BOOSTED = ("hybrid", "gradient_boosting", "logistic")
Case = tuple[Material, Split, Fit]


@pytest.fixture(scope="module", params=["platt", "isotonic"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The small study of a risk with enough people for trees that branch."""
    changes = {"train.epochs": 2, "train.patience": 0, "train.refit": True, "evaluate.trials": 2}
    changes |= {"model.recalibrate": request.param}
    study = sequela.read_study(write_risk_study(tmp_path_factory.mktemp("taught"), changes, people=PEOPLE))
    material = gather(study)
    split = divide(study, material)[0]
    return material, split, fitted(material, split)


def fitted(material: Material, split: Split) -> Fit:
    return fit_split(material, split, watch=Watch(), number=1, fits=1)


def rows(split: Split, part: int) -> Numbers:
    return np.flatnonzero(split.part == part)


def test_recalibration_is_learned_from_what_was_said_before_tuning_people_taught(case: Case) -> None:
    material, split, fit = case
    tuning = rows(split, TUNING)
    labels, person = material.labels[tuning], material.cohort.asked.person[tuning]
    kind, enough = material.settings.model.recalibrate, material.settings.prepare.min_people
    assert set(fit.of_tuning) == set(fit.predicted) == {"network", *BOOSTED}
    for model, said in fit.of_tuning.items():
        learned = fit_recalibration(kind, said, labels, person, min_people=enough)
        assert learned.apply(fit.before[model]).tobytes() == fit.predicted[model].tobytes(), model
    for model in fit.predicted:
        in_sample = fit_recalibration(kind, fit.before[model][tuning], labels, person, min_people=enough)
        assert (in_sample.apply(fit.before[model]) != fit.predicted[model]).any(), model


def test_the_label_of_a_tuning_person_moves_what_is_said_in_the_end_and_nothing_before(case: Case) -> None:
    material, split, fit = case
    one = rows(split, TUNING)[:1]
    other = fitted(turned(material, one), split)
    assert other.search["logistic"]["chosen"] == fit.search["logistic"]["chosen"]
    assert other.of_tuning["logistic"].tobytes() == fit.of_tuning["logistic"].tobytes()
    assert (other.before["logistic"] != fit.before["logistic"]).all()
    assert other.of_tuning["network"].tobytes() == fit.of_tuning["network"].tobytes()
    assert (other.before["network"] != fit.before["network"]).any()
    assert (other.before["hybrid"] != fit.before["hybrid"]).any()


def test_labels_of_held_out_people_move_nothing(case: Case) -> None:
    material, split, fit = case
    other = fitted(turned(material, rows(split, HELD_OUT)), split)
    for model in fit.predicted:
        assert other.predicted[model].tobytes() == fit.predicted[model].tobytes(), model
        assert other.of_tuning[model].tobytes() == fit.of_tuning[model].tobytes(), model
    assert other.search == fit.search


def test_tuning_people_were_not_learned_by_heart_where_they_judge(case: Case) -> None:
    material, split, fit = case
    tuning = rows(split, TUNING)
    labels = material.labels[tuning]

    def loss(risk: np.ndarray) -> float:
        return float(-np.mean(np.where(labels > 0, np.log(risk), np.log1p(-risk))))

    for model in BOOSTED:
        assert loss(fit.of_tuning[model]) > loss(fit.before[model][tuning]), model
    for model in ("gradient_boosting", "logistic"):
        assert fit.selection[model] == pytest.approx(loss(fit.of_tuning[model]), rel=1e-9), model


def test_what_is_judged_on_tuning_people_is_that_of_a_study_that_does_not_train_again(case: Case) -> None:
    material, split, fit = case
    train = material.settings.train.model_copy(update={"refit": False})
    once = fitted(replace(material, settings=material.settings.model_copy(update={"train": train})), split)
    tuning = rows(split, TUNING)
    losses = [[epoch.tuning_loss for history in each.histories for epoch in history.epochs] for each in (once, fit)]
    assert losses[0] == losses[1]
    assert None not in losses[0]
    for model in fit.predicted:
        assert once.of_tuning[model].tobytes() == fit.of_tuning[model].tobytes(), model
        assert once.before[model][tuning].tobytes() == once.of_tuning[model].tobytes(), model
        assert (once.before[model] != fit.before[model]).any(), model


def test_table_bundle_and_fit_hold_the_final_model_for_everybody(
    case: Case, tmp_path_factory: pytest.TempPathFactory
) -> None:
    material, split, fit = case
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(replace(fit.bundle, card={"format": 1}), folder / "bundle")
    loaded = sequela.load_bundle(folder / "bundle").bundle
    raw = outputs(loaded, material.cohort.timeline, material.evidence.facts, material.cohort.sequences)
    table = predictions_table(material, [fit])
    for model in ("network", "hybrid"):
        assert raw[model].tobytes() == fit.before[model].tobytes(), model
    for model, predicted in fit.predicted.items():
        for name, part in (("train", TRAIN), ("tuning", TUNING), ("held_out", HELD_OUT)):
            of_part = table.filter((pl.col("model") == model) & (pl.col("split") == name))["predicted"].to_numpy()
            assert of_part.tobytes() == predicted[split.part == part].tobytes(), (model, name)
