"""A member of a hybrid is taught nothing by the fold of the people that it speaks for."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from other_outcomes import turned
from small_study import write_risk_study

import sequela
from sequela.baselines import FittedHybrid, Stacked, fit_hybrid, people_folds, statistics_of
from sequela.bundle import members_of
from sequela.cohort import TRAIN, TUNING, Split
from sequela.models import RiskNetwork, mean_logit
from sequela.predict import member_outputs
from sequela.study import fit
from sequela.study.fit import fit_split
from sequela.study.material import Fit, Material, Numbers
from sequela.study.story import divide, gather
from sequela.study.watch import Watch
from sequela.train import Progress

MEMBERS, SEED, MIN_PEOPLE = 2, 3, 7
Case = tuple[Material, Split, Numbers, Numbers]


CHANGES = {
    "model.wide": True,
    "prepare.min_people": MIN_PEOPLE,
    "train.epochs": 1,
    "train.seed": SEED,
    "evaluate.baselines": ["logistic"],
    "evaluate.trials": None,
}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The material, its split, and of the training predictions the rows and the folds of their people."""
    study = sequela.read_study(write_risk_study(tmp_path_factory.mktemp("members"), CHANGES))
    material = gather(study)
    split = divide(study, material)[0]
    training = np.flatnonzero(split.part == TRAIN)
    return material, split, training, folds_of(material, training)


def folds_of(material: Material, predictions: Numbers) -> Numbers:
    """Return the folds of the people of some predictions, who teach and are counted among themselves."""
    place = np.unique(material.cohort.asked.person[predictions], return_inverse=True)[1]
    return people_folds(place, MEMBERS, SEED)


def fitted(material: Material, split: Split) -> Fit:
    return fit_split(material, split, watch=Watch(), number=1, fits=1)


def unmoved(one: Material, other: Material, split: Split) -> list[bool]:
    """Say of each member whether both materials teach it the same weights."""
    before, after = (members_of(fitted(each, split).bundle.network) for each in (one, other))
    return [
        all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
        for one, two in zip(before, after, strict=True)
    ]


def test_labels_of_the_fold_that_a_member_speaks_for_do_not_change_its_weights(case: Case) -> None:
    material, split, training, folds = case
    assert unmoved(material, turned(material, training[folds == 0]), split) == [True, False]


def test_a_person_who_is_never_asked_moves_nobody_to_another_member(case: Case, tmp_path: Path) -> None:
    material, split, _, _ = case
    path = write_risk_study(tmp_path, CHANGES)
    with (tmp_path / "patients.csv").open("a") as patients:
        patients.write("-1,f,170\n")  # the first of all ids, without any record
    assert unmoved(material, gather(sequela.read_study(path)), split) == [True, True]


def trained_again(material: Material) -> Material:
    """Return the material of a study that trains again."""
    train = material.settings.train.model_copy(update={"refit": True, "patience": 0})
    return replace(material, settings=material.settings.model_copy(update={"train": train}))


def said_to_boosting(
    material: Material, split: Split, monkeypatch: pytest.MonkeyPatch
) -> tuple[Fit, Stacked, Stacked, Stacked | None]:
    """Return the fit, and what boosting was given of training people, of tuning people and, in the end, of both."""
    given: list[tuple[Stacked, Stacked, Stacked | None]] = []

    def recording(training: Stacked, tuning: Stacked, *, everyone: Stacked | None, **more: Any) -> FittedHybrid:
        given.append((training, tuning, everyone))
        assert more["seed"] == SEED
        return fit_hybrid(training, tuning, everyone=everyone, **more)

    monkeypatch.setattr(fit, "fit_hybrid", recording)
    return fitted(material, split), *given[0]


def said(material: Material, found: Fit) -> np.ndarray:
    """Return what each member says of all predictions."""
    cohort, facts, bundle = material.cohort, material.evidence.facts, found.bundle
    statistics = statistics_of("risk", cohort.timeline, facts, bundle.prepared, cohort.sequences)
    return member_outputs(bundle, cohort.timeline, facts, cohort.sequences, statistics)


def test_boosting_sees_of_who_taught_a_network_what_the_member_without_them_says(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    material, split, training, folds = case
    found, of_training, of_tuning, nobody = said_to_boosting(material, split, monkeypatch)
    each = said(material, found)
    assert nobody is None
    assert np.array_equal(of_training.outputs, each[folds, training])
    assert not np.allclose(each[0, training], each[1, training])
    tuning = np.flatnonzero(split.part == TUNING)
    assert np.array_equal(of_tuning.outputs, mean_logit(torch.from_numpy(each))[tuning])
    again = trained_again(material)
    found, first, judges, everyone = said_to_boosting(again, split, monkeypatch)
    assert first.outputs.tobytes() == of_training.outputs.tobytes()
    assert judges.outputs.tobytes() == of_tuning.outputs.tobytes()
    both = np.flatnonzero((split.part == TRAIN) | (split.part == TUNING))
    folds = folds_of(material, both)
    assert everyone is not None
    assert np.array_equal(everyone.outputs, said(again, found)[folds, both])


def test_a_tuning_person_teaches_in_the_end_but_not_the_member_that_speaks_for_them(case: Case) -> None:
    material, split, _, _ = case
    material = trained_again(material)
    both = np.flatnonzero((split.part == TRAIN) | (split.part == TUNING))
    folds = folds_of(material, both)
    chosen = both[(folds == 0) & (split.part[both] == TUNING)]
    assert unmoved(material, turned(material, chosen), split) == [True, False]


def test_a_member_begins_with_the_events_and_the_statistics_of_its_own_people(case: Case) -> None:
    material, split, training, folds = case
    bundle = fitted(material, split).bundle
    cohort = material.cohort
    statistics = statistics_of("risk", cohort.timeline, material.evidence.facts, bundle.prepared, cohort.sequences)
    for number, member in enumerate(members_of(bundle.network)):
        assert isinstance(member, RiskNetwork)
        assert member.prevalence == material.labels[training[folds != number]].mean()
        wide = member.head.wide
        assert wide is not None
        seen = torch.from_numpy(statistics.matrix[training[folds != number]])
        pieces = wide.pieces(seen).sum(dim=0)
        assert wide.scale.any()
        assert pieces.abs().max() < 1e-3
        again = copy.deepcopy(wide)
        again.fit(seen.numpy().astype(np.float64), cohort.asked.person[training[folds != number]], MIN_PEOPLE)
        assert all(torch.equal(one, other) for one, other in zip(wide.buffers(), again.buffers(), strict=True))


def test_each_training_of_a_fit_is_told_by_its_number(case: Case) -> None:
    """The second of three fits, trained again: of twelve trainings the fifth to the eighth."""
    material, split, _, _ = case

    class Counting(Watch):
        told: dict[tuple[int, int], None] = {}

        def training(self, progress: Progress, fit: int, fits: int) -> None:
            self.told[fit, fits] = None

    fit_split(trained_again(material), split, watch=(watch := Counting()), number=2, fits=3)
    assert list(watch.told) == [(fit, 12) for fit in (5, 6, 7, 8)]
