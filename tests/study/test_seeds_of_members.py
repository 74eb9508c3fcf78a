"""Trainings with neighbouring seeds are trainings of their own: no member of one ensemble is in the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_study import write_study

import sequela
from sequela.bundle import members_of
from sequela.models import Network, seed_of_member
from sequela.prepare import Collation
from sequela.study import fit
from sequela.study.fit import fit_split
from sequela.study.story import divide, gather
from sequela.study.watch import Watch
from sequela.train import History, TrainSettings, train

Weights = dict[str, torch.Tensor]


def members(folder: Path, seed: int, count: int) -> list[Weights]:
    """Return the weights of the members that a seed trains."""
    changes = {"train.seed": seed, "train.epochs": 1, "model.members": count, "evaluate.baselines": ["mean"]}
    study = sequela.read_study(write_study(folder, changes))
    material = gather(study)
    bundle = fit_split(material, divide(study, material)[0], watch=Watch(), number=1, fits=1).bundle
    return [member.state_dict() for member in members_of(bundle.network)]


def alike(one: Weights, other: Weights) -> bool:
    return all(torch.equal(weight, other[name]) for name, weight in one.items())


def test_ensembles_of_neighbouring_seeds_share_no_member(tmp_path: Path) -> None:
    each = [member for seed in (4, 5, 6) for member in members(tmp_path / str(seed), seed, 3)]
    assert not any(alike(each[i], each[j]) for i in range(len(each)) for j in range(i))


def test_the_first_member_is_the_network_that_the_study_trains_alone(tmp_path: Path) -> None:
    (alone,) = members(tmp_path / "alone", 4, 1)
    assert alike(alone, members(tmp_path / "three", 4, 3)[0])


def test_each_member_begins_and_is_shuffled_by_its_own_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []  # of the first weights, and of the order of batches

    def recording(
        member: Network, examples: Collation, tuning: Collation, given: TrainSettings, **keys: Any
    ) -> History:
        seeds.append((torch.initial_seed(), given.seed))
        return train(member, examples, tuning, given, **keys)

    monkeypatch.setattr(fit, "train", recording)
    members(tmp_path, 4, 3)
    assert seeds == [(seed_of_member(4, number),) * 2 for number in range(3)]


def test_members_of_many_seeds_have_seeds_of_their_own() -> None:
    seeds = [seed_of_member(seed, number) for seed in range(100) for number in range(20)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
