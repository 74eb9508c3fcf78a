"""The network's shape and size, and how its training went."""

from __future__ import annotations

from typing import Any

from sequela.report import data
from sequela.report.files import RunFiles
from sequela.report.formats import Fit, Network
from sequela.report.privacy import guarded, shown_count
from sequela.report.tables import Column, TableView
from sequela.report.words import CELLS, DASH, LOSSES, counted, fixed, listed, model_name, plain


def network_view(run: RunFiles, totals: data.Totals) -> dict[str, Any]:
    """The network's shape and size, and how its training ended."""
    network, split = run.profile.network, run.profile.split
    hidden = network.hidden
    units = f"hidden unit{'s' * (hidden != [1])}"
    shape = f"{len(hidden)} layer{'s' * (len(hidden) > 1)} of {listed([plain(width) for width in hidden])} {units}"
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
        "warning": _warning(network, predictions) if network.warning else None,
        "loss": loss_in_words(run),
        "more": _more(run),
        "training": _training(run.history.fits),
        "interrupted": any(fit.stopped == "interrupted" for fit in run.history.fits),
    }


def _warning(network: Network, predictions: str) -> str:
    """What the run warned of, with its training predictions as the page tells them."""
    said = guarded(network.warning or "").replace("`", "")
    return said.replace(f"{network.predictions_train:,} training predictions", f"{predictions} training predictions")


def _more(run: RunFiles) -> str:
    """What the study says beside cell and size: readout, ensemble, hybrid."""
    readout, members = run.setting("model", "readout", ["last"]), run.setting("model", "members", 1)
    said = []
    if readout != ["last"]:
        said.append(f"It reads {listed([_READOUTS.get(one, one) for one in readout])}.")
    if members > 1:
        hybrid = run.setting("model", "hybrid", False)
        differ = "their random start" + " and in the training people that each is trained without" * hybrid
        said.append(f"{members} such networks, which differ in {differ}, form an ensemble: their mean counts.")
    if run.setting("model", "hybrid", False):
        said.append(
            "The hybrid is gradient boosting on window statistics and the network's own output; of training people it "
            "saw only what members said that were not trained on them."
        )
    if run.metrics.question == "risk" and not run.history.loss.startswith("weighted"):
        said.append("Predictions with and without the event count alike: none was weighted or drawn more often.")
    if run.setting("train", "refit", False):
        said.append(
            "Once tuning people had judged, every model was trained again on training and tuning people, with the same "
            "settings and as many epochs and trees; the curves are those of the first training."
        )
    return " ".join(said)


_READOUTS = {
    "last": "the last state",
    "mean": "the mean of all states",
    "max": "the largest of all states",
    "attention": "a weighted mean of all states",
}


def searches(fits: list[Fit]) -> TableView | None:
    """How the baselines were tuned, in the first fit; None where nothing was searched."""
    found = fits[0].search if fits else {}
    rows = [_searched(model, search) for model, search in found.items() if search.get("trials")]
    if not rows:
        return None
    loss = "RMSE" if any(search.get("judged_by") == "rmse" for search in found.values()) else "Log loss"
    return TableView(
        caption="How the baselines were tuned",
        columns=[Column("Model"), Column("Judged by"), Column("Trials", "number"), Column("Settings that were kept"),
                 Column(loss, "number"), Column("Then fitted on")],
        rows=rows,
    )  # fmt: skip


def _searched(model: str, search: dict[str, Any]) -> list[str]:
    trials, chosen = search["trials"], search.get("chosen")
    kept = search.get("of_all") or (trials[chosen] if isinstance(chosen, int) and chosen < len(trials) else {})
    name, colon, output = model.partition(": ")  # of a forecast of several
    settings = {**kept.get("settings", {}), **({"trees": kept["trees"]} if kept.get("trees") else {})}
    named = ", ".join(f"{key.replace('_', ' ')} {_shown(value)}" for key, value in settings.items())
    return [model_name(name) + colon + output, str(search.get("judge") or DASH), str(len(trials)), named or DASH,
            fixed(kept.get(search.get("judged_by", "log_loss")), 4), str(search.get("fitted_on") or DASH)]  # fmt: skip


def _shown(value: object) -> str:
    return plain(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _training(fits: list[Fit]) -> str:
    """How long training went on, and which weights were kept."""
    if not fits:
        return ""
    lengths, kept = [len(fit.epochs) for fit in fits], [fit.best_epoch for fit in fits if fit.best_epoch is not None]
    if len(fits) > 1:
        text = f"The {len(fits)} networks were trained for {_range(lengths)} epochs"
        return f"{text}; of each, the weights of one epoch were kept ({_range(kept)})." if kept else f"{text}."
    why = {
        "patience": "Training stopped because the tuning loss no longer fell",
        "all epochs": "Training ran to its end",
        "interrupted": "Training was interrupted by hand",
    }.get(fits[0].stopped, f"Training ended ({fits[0].stopped})")
    text = f"{why}, after {counted(lengths[0], 'epoch', 'epochs')}"
    return f"{text}; the weights of epoch {kept[0]} were kept." if kept else f"{text}."


def _range(counts: list[int]) -> str:
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def loss_in_words(run: RunFiles) -> str:
    """The loss that training lowered, as the page names it."""
    return LOSSES.get(run.history.loss, run.history.loss.replace("_", " "))
