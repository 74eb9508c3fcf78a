"""One split of a cohort: preparation, networks, training and baselines, judged by nobody yet."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from sequela.baselines import Examples, FittedHybrid, Stacked, fit_hybrid, people_folds, statistics_of
from sequela.bundle import AfterState, Bundle, as_one, member_for, members_of
from sequela.cohort import TRAIN, TUNING, Split
from sequela.errors import CohortError
from sequela.evaluate.measures import OWN_MODELS
from sequela.models import HeadedNetwork, Network, parameter_count, seed_of_member
from sequela.predict import as_said, finished, mean_of_members, member_outputs, summary_for
from sequela.prepare import Collation, PreparedState, fit_preparation, fit_smearing
from sequela.study.kinds import kind_of
from sequela.study.material import NO_BASELINES, Baselines, Fit, Floats, Material, Numbers, bundled_study
from sequela.study.watch import Watch
from sequela.train import History, threads_for_step, train


def _which_fit(number: int, fits: int) -> str:
    """Return which of several fits one is, in words; nothing for a single one."""
    return f" (fit {number} of {fits})" if fits > 1 else ""


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """Who teaches and who judges, and the preparation that training people taught."""

    training: Numbers
    tuning: Numbers
    prepared: PreparedState
    unused: dict[str, str]  # codes that are no input -> reason


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """What the parts of one fit share."""

    material: Material
    training: Numbers
    tuning: Numbers
    prepared: PreparedState
    examples: Examples  # of all R predictions
    watch: Watch
    number: int  # of this fit
    fits: int
    again: bool = False  # tuning people have judged, and are among the training people now

    @property
    def which(self) -> str:
        """Return which of several fits this is, in words; nothing for a single one."""
        return _which_fit(self.number, self.fits)

    @property
    def with_tuning_people(self) -> _Parts:
        """Return the parts for training again, when tuning people teach and nobody is left to judge."""
        both = np.sort(np.concatenate([self.training, self.tuning]))
        return replace(self, training=both, tuning=self.tuning[:0], again=True)


@dataclass(frozen=True, kw_only=True)
class _Taught:
    """Networks that the training people of some parts taught, and what they say of all R predictions."""

    parts: _Parts
    bundle: Bundle  # without trees, recalibration and card
    histories: list[History]
    warning: str | None
    each: Floats  # [members, R, ...]
    mean: Floats  # [R, ...]

    @property
    def stacked(self) -> Stacked:
        """Return the training people with what a member said that was not trained on them."""
        parts, cohort, unseen = self.parts, self.parts.material.cohort, self.mean.copy()
        folds = _folds(parts)
        for number in range(len(self.each)):
            alone = mean_of_members(self.bundle, self.each[number : number + 1], cohort.timeline, cohort.sequences)
            rows = parts.training[folds == number]
            unseen[rows] = alone[rows]
        return Stacked(examples=parts.examples.take(parts.training), outputs=unseen[parts.training])


def fit_split(material: Material, split: Split, *, watch: Watch, number: int, fits: int, compared: bool = True) -> Fit:
    """Return what training and tuning people taught, and what each model then says of everybody.

    Args:
        material: as gathered.
        split: who teaches and who judges.
        watch: is told.
        number: of this fit.
        fits: how many there are.
        compared: False for a fit on everybody, that nobody is left to judge: without baselines.
    """
    kind, settings = kind_of(material), material.settings
    ready = _ready(material, split, watch=watch, number=number, fits=fits)
    tuning = ready.tuning
    parts = _Parts(
        material=material,
        training=ready.training,
        tuning=tuning,
        prepared=ready.prepared,
        examples=_examples(material, ready.prepared),
        watch=watch,
        number=number,
        fits=fits,
    )
    first = _teach(parts)
    final = _teach(parts.with_tuning_people) if settings.train.refit else first
    bundle = final.bundle
    raw = {"network": as_said(bundle, final.mean)}
    of_tuning = {"network": as_said(first.bundle, first.mean[tuning])}
    if compared or settings.model.hybrid:
        watch.stage("Fitting the baselines" + parts.which)
    statistics = parts.examples.statistics
    judging = statistics.take(tuning)
    if settings.model.hybrid:
        watch.part("hybrid")
        trees = _fit_trees(first, final)
        bundle = replace(bundle, trees=trees.final)
        raw["hybrid"] = trees.final.predict(statistics, final.mean)
        of_tuning["hybrid"] = trees.first.predict(judging, first.mean[tuning])
    baselines = _fit_baselines(parts) if compared else NO_BASELINES
    raw |= {name: predict(statistics) for name, predict in baselines.predict.items()}
    of_tuning |= {name: predict(judging) for name, predict in baselines.first.items()}
    after = kind.after_training(material, of_tuning, tuning)
    said = finished(replace(bundle, after=after), raw)
    return Fit(
        split=split,
        bundle=replace(bundle, after=_of_own_models(after)),
        histories=first.histories,
        parameters=parameter_count(members_of(bundle.network)[0]),
        warning=first.warning,
        unused=ready.unused,
        selection=baselines.selection,
        selection_total=baselines.selection_total,
        search=baselines.search,
        predicted=said.predicted,
        of_tuning=of_tuning,
        before=said.before,
        not_recalibrated=after.not_recalibrated if after is not None else {},
        lower=said.lower,
        upper=said.upper,
    )


def check_split(material: Material, split: Split, *, watch: Watch, number: int, fits: int) -> None:
    """Refuse a split that a run would refuse before it trains.

    Args:
        material: as gathered.
        split: who would teach and who would judge.
        watch: is told.
        number: of this fit.
        fits: how many there would be.

    Raises:
        InputError: where training or tuning people cannot teach what the study asks, or no network can be built.
    """
    ready = _ready(material, split, watch=watch, number=number, fits=fits)
    member_for(bundled_study(material), ready.prepared)


def _ready(material: Material, split: Split, *, watch: Watch, number: int, fits: int) -> _Ready:
    """Return what is there before training; refuse what training could not mend."""
    kind, settings = kind_of(material), material.settings
    training, tuning = np.flatnonzero(split.part == TRAIN), np.flatnonzero(split.part == TUNING)
    watch.stage("Fitting the preparation" + _which_fit(number, fits))
    kind.check_labels(material, training, tuning)
    _check_members(material, training)
    on_a_grid = settings.prepare.grid_state is not None
    prepared, unused = fit_preparation(
        material.timeline,
        material.evidence.facts,
        material.sequences.take(training),
        kind.target_labels(material, training),
        settings.prepare,
        as_asked=(material.cohort.timeline, material.cohort.sequences.take(training)) if on_a_grid else None,
    )
    return _Ready(training=training, tuning=tuning, prepared=prepared, unused=unused)


def _check_members(material: Material, training: Numbers) -> None:
    """Refuse a hybrid of more members than training people, of whom each is trained without some.

    Raises:
        CohortError: with the remedy.
    """
    model = material.settings.model
    if model.hybrid and model.members > len(np.unique(material.cohort.asked.person[training])):
        raise CohortError(
            f"[model] hybrid trains each of the {model.members} members without some of the training people, and there "
            "are fewer people than members. Lower `members`, set hybrid = false, or give train more people."
        )


def _teach(parts: _Parts) -> _Taught:
    """Return the networks that the training people teach, judged by tuning people as far as there are any."""
    material, cohort = parts.material, parts.material.cohort
    members, histories, warning = _train_members(parts)
    parts.watch.stage("Predicting for everybody" + parts.which)
    study, network = bundled_study(material), as_one(members)
    bundle = Bundle(study=study, prepared=parts.prepared, network=network, after=None, card={})
    statistics = parts.examples.statistics
    each = member_outputs(bundle, cohort.timeline, material.evidence.facts, cohort.sequences, statistics)
    bundle = _with_smearing(parts, bundle, each)
    mean = mean_of_members(bundle, each, cohort.timeline, cohort.sequences)
    return _Taught(parts=parts, bundle=bundle, histories=histories, warning=warning, each=each, mean=mean)


def _train_members(parts: _Parts) -> tuple[list[Network], list[History], str | None]:
    """Return the trained members, how it went, and a warning; those of a hybrid each without a fold of the people."""
    material, settings = parts.material, parts.material.settings
    tuning = _collation(parts, parts.tuning) if len(parts.tuning) else None
    everyone = None if settings.model.hybrid else _collation(parts, parts.training)
    folds = _folds(parts) if settings.model.hybrid else np.full(len(parts.training), -1)
    members: list[Network] = []
    histories: list[History] = []
    warning = None
    for number in range(settings.model.members):
        torch.manual_seed(seed_of_member(settings.train.seed, number))
        member = member_for(bundled_study(material), parts.prepared)
        own = parts.training[folds != number]
        _begin(parts, member, own)
        if not number and parts.again:
            parts.watch.note("Training again, on training and tuning people" + parts.which)
        elif not number:
            warning = _size_warning(parameter_count(member), len(parts.training))
            _announce(parts, parameter_count(member), warning)
        histories.append(_train_one(parts, member, everyone or _collation(parts, own), tuning, number))
        members.append(member)
    return members, histories, warning


def _begin(parts: _Parts, member: Network, training: Numbers) -> None:
    """Set what a member begins with that its own training people teach before it is trained."""
    material = parts.material
    kind_of(material).begin(member, material, training)
    if isinstance(member, HeadedNetwork) and member.head.wide is not None:
        seen = parts.examples.take(training)
        matrix = seen.statistics.matrix.astype(np.float64)
        member.head.wide.fit(matrix, seen.person, material.settings.prepare.min_people)


def _train_one(parts: _Parts, member: Network, examples: Collation, tuning: Collation | None, number: int) -> History:
    settings = parts.material.settings
    count, times = settings.model.members, 2 if settings.train.refit else 1
    fit = ((parts.number - 1) * times + parts.again) * count + number + 1
    fits = parts.fits * times * count
    with threads_for_step(parameter_count(member), examples.mean_length * settings.train.batch_size):
        history = train(
            member,
            examples,
            tuning,
            settings.train.model_copy(update={"seed": seed_of_member(settings.train.seed, number)}),
            loss=settings.model.loss,
            watch=lambda progress: parts.watch.training(progress, fit, fits),
        )
    parts.watch.trained(history.stopped)
    return history


def _announce(parts: _Parts, parameters: int, warning: str | None) -> None:
    people = len(np.unique(parts.material.cohort.asked.person[parts.training]))
    members = parts.material.settings.model.members
    parts.watch.note(
        f"{people:,} people and {len(parts.training):,} predictions to train on, {parameters:,} parameters to fit"
        + (f", {members} times" if members > 1 else "")
        + parts.which
    )
    if warning:
        parts.watch.warn(warning)


def _folds(parts: _Parts) -> Numbers:
    """Return the fold of people of each training prediction.

    People are told by their place among those who teach: internal numbers also count people who do not.
    """
    settings = parts.material.settings
    place = np.unique(parts.material.cohort.asked.person[parts.training], return_inverse=True)[1]
    return people_folds(place, settings.model.members, settings.train.seed)


def _examples(material: Material, prepared: PreparedState) -> Examples:
    cohort = material.cohort
    kind, facts = material.settings.question.kind, material.evidence.facts
    statistics = statistics_of(kind, cohort.timeline, facts, prepared, cohort.sequences)
    return Examples(statistics=statistics, labels=material.labels, person=cohort.asked.person)


def _with_smearing(parts: _Parts, bundle: Bundle, each: Floats) -> Bundle:
    """Return the bundle with what brings bent targets back as means, from the residuals of training people."""
    cohort, training = parts.material.cohort, parts.training
    labels, person = parts.material.labels[training], cohort.asked.person[training]
    prepared = fit_smearing(each.mean(axis=0)[training], labels, bundle.prepared, person=person)
    return replace(bundle, prepared=prepared)


def _fit_trees(first: _Taught, final: _Taught) -> FittedHybrid:
    """Return boosting that sees the networks: of who taught them only what a member said that was not trained on them.

    Args:
        first: of the networks that training people taught.
        final: the same, or of those that tuning people taught too.
    """
    parts = first.parts
    settings = parts.material.settings
    return fit_hybrid(
        first.stacked,
        Stacked(examples=parts.examples.take(parts.tuning), outputs=first.mean[parts.tuning]),
        everyone=None if final is first else final.stacked,
        kind=settings.question.kind,
        seed=settings.train.seed,
        threads=torch.get_num_threads(),
        min_people=settings.prepare.min_people,
    )


def _fit_baselines(parts: _Parts) -> Baselines:
    examples = parts.examples
    return kind_of(parts.material).fit_baselines(
        parts.material,
        examples.take(parts.training),
        examples.take(parts.tuning) if len(parts.tuning) else None,
        threads=torch.get_num_threads(),
        told=parts.watch.part,
    )


def _of_own_models(after: AfterState | None) -> AfterState | None:
    """Return what a bundle keeps: nothing of baselines, which are not in it."""
    if after is None:
        return None
    own = {model: state for model, state in after.recalibration.items() if model in OWN_MODELS}
    return after.model_copy(update={"recalibration": own})


def _collation(parts: _Parts, predictions: Numbers) -> Collation:
    material = parts.material
    return Collation(
        material.timeline,
        material.evidence.facts,
        parts.prepared,
        material.sequences.take(predictions),
        kind_of(material).targets(material, parts.prepared, predictions),
        provenance=material.settings.model.sees_provenance,
        lateness=material.settings.train.hide > 0,
        summary=summary_for(material.settings.model, parts.examples.take(predictions).statistics),
    )


def _size_warning(parameters: int, predictions: int) -> str | None:
    if parameters <= predictions:
        return None
    return (
        f"The network has {parameters:,} parameters for {predictions:,} training predictions. A network this large for "
        "its data may learn it by heart: look at the tuning loss, and try a smaller `hidden` in [model]."
    )
