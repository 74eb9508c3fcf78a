"""The network's shape and size, and how its training went."""

from __future__ import annotations

from typing import Any

from sequela.report import data
from sequela.report.files import RunFiles
from sequela.report.formats import Fit
from sequela.report.privacy import guarded, shown_count
from sequela.report.words import CELLS, LOSSES, listed, plain


def network_view(run: RunFiles, totals: data.Totals) -> dict[str, Any]:
    """The network's shape and size, and how its training ended."""
    network, split = run.profile.network, run.profile.split
    hidden = network.hidden
    shape = f"{len(hidden)} layer{'s' * (len(hidden) > 1)} of {listed([plain(units) for units in hidden])} hidden units"
    people = totals.split_people[0]
    if network.people_train != split.people.train:
        people = shown_count(network.people_train, beside=totals.people)
    predictions = totals.split_predictions[0]
    if network.predictions_train != split.predictions.train:
        predictions = shown_count(network.predictions_train, beside=totals.predictions)
    return {
        "cell": CELLS.get(network.cell, network.cell),
        "shape": shape,
        "parameters": f"{network.parameters:,}",
        "people": people,
        "predictions": predictions,
        "ratio": plain(float(f"{network.parameters / network.predictions_train:.2g}"))
        if predictions.replace(",", "").isdigit() and network.predictions_train
        else None,
        "warning": guarded(network.warning) if network.warning else None,
        "loss": loss_in_words(run),
        "training": _training(run.history.fits),
        "interrupted": any(fit.stopped == "interrupted" for fit in run.history.fits),
    }


def _training(fits: list[Fit]) -> str:
    """How long training went on, and which weights were kept."""
    if not fits:
        return ""
    lengths, kept = [len(fit.epochs) for fit in fits], [fit.best_epoch for fit in fits if fit.best_epoch is not None]
    if len(fits) > 1:
        text = f"The {len(fits)} networks were trained for {_range(lengths)} epochs"
        return f"{text}; of each, the weights of its best epoch were kept ({_range(kept)})." if kept else f"{text}."
    why = {
        "patience": "Training stopped because the tuning loss no longer fell",
        "all epochs": "Training ran all epochs of the study",
        "interrupted": "Training was interrupted by hand",
    }.get(fits[0].stopped, f"Training ended ({fits[0].stopped})")
    text = f"{why}, after {lengths[0]} epoch{'s' * (lengths[0] != 1)}"
    return f"{text}; the weights of epoch {kept[0]} were kept." if kept else f"{text}."


def _range(counts: list[int]) -> str:
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def loss_in_words(run: RunFiles) -> str:
    """The loss that training lowered, as the page names it."""
    return LOSSES.get(run.history.loss, run.history.loss.replace("_", " "))
