"""Recall a value seen 200 and 500 steps earlier: what gates are for.

    python examples/long_memory.py                 # trains, prints the losses, draws docs/lab/long_memory.svg
    python examples/long_memory.py --quick         # one seed, a few updates: only to see that it runs

A history is a row of random values; a flag marks the first of them. At the end, 200 or 500 steps later, the model must
name the flagged value. Everything in between is noise of the same kind, so the value has to be held against it. A model
that has forgotten can do no better than the mean: a squared error of 1/3.

Four models with about the same number of weights get the same budget (updates, histories an update, clipping of the
gradient at norm 1, the same learning rates to choose from: all on the first seed, the two best on all seeds):

- LSTM, chrono: forget biases log(U[1, lag]) and input biases their negative, so that states decay over times up to the
  lag before anything is learned (Tallec and Ollivier 2018, arXiv:1804.11188).
- LSTM, usual: the same cell as torch draws it, to show how much the initialisation does.
- RNN: tanh, as torch draws it.
- RNN, identity: relu, recurrent weights the identity, biases zero, input weights N(0, 0.001): the start that made plain
  RNNs remember (Le, Jaitly and Hinton 2015, arXiv:1504.00941).
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sequela.cells import LSTM, RNN

LAGS = [200, 500]
RATES = [1e-5, 1e-4, 1e-3, 3e-3]
FORGOTTEN = 1 / 3  # variance of a value from U(-1, 1): the loss of a model that remembers nothing
LAB = Path(__file__).resolve().parents[1] / "docs" / "lab"


@dataclass(frozen=True)
class Budget:
    """What every model gets."""

    updates: int = 1500
    histories: int = 32  # an update
    seeds: int = 3
    evaluate_every: int = 100


@dataclass(frozen=True)
class Run:
    """One training: the loss on fresh histories as it went."""

    model: str
    lag: int
    rate: float
    seed: int
    updates: list[int]
    losses: list[float]

    @property
    def final(self) -> float:
        return self.losses[-1]


def histories(count: int, lag: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inputs [count, lag + 1, 2] (value, flag) and the flagged value [count, 1]."""
    values = 2 * torch.rand(count, lag + 1, generator=generator) - 1
    flags = torch.zeros_like(values)
    flags[:, 0] = 1
    return torch.stack([values, flags], dim=2), values[:, :1]


def chrono_lstm(lag: int) -> nn.RNNBase:
    cell = LSTM(2, 32, batch_first=True)
    with torch.no_grad():
        # Both of torch's biases add up; one carries the sum. Gates stand in the order i, f, g, o.
        cell.bias_ih_l0.zero_()
        cell.bias_hh_l0.zero_()
        into, kept, _, _ = cell.bias_ih_l0.chunk(4)
        kept.copy_(torch.empty(32).uniform_(1, lag).log())
        into.copy_(-kept)
    return cell


def identity_rnn(lag: int) -> nn.RNNBase:
    del lag
    cell = RNN(2, 66, nonlinearity="relu", batch_first=True)
    with torch.no_grad():
        cell.weight_hh_l0.copy_(torch.eye(66))
        cell.weight_ih_l0.normal_(0, 0.001)
        cell.bias_ih_l0.zero_()
        cell.bias_hh_l0.zero_()
    return cell


# An LSTM of 32 units has 4,608 weights and a plain RNN of 66 has 4,620.
CELLS: dict[str, Callable[[int], nn.RNNBase]] = {
    "LSTM, chrono": chrono_lstm,
    "LSTM, usual": lambda lag: LSTM(2, 32, batch_first=True),
    "RNN": lambda lag: RNN(2, 66, batch_first=True),
    "RNN, identity": identity_rnn,
}


def train(model: str, lag: int, rate: float, seed: int, budget: Budget) -> Run:
    """Trains on histories that are drawn anew for each update, so there is nothing to learn by heart."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(1000 + seed)
    unseen = histories(512, lag, torch.Generator().manual_seed(99))
    cell, dense = CELLS[model](lag), nn.Linear(66 if model.startswith("RNN") else 32, 1)
    weights = [*cell.parameters(), *dense.parameters()]
    optimizer = torch.optim.Adam(weights, lr=rate)
    updates, losses = [], []
    for update in range(budget.updates + 1):
        if update % budget.evaluate_every == 0:
            updates.append(update)
            losses.append(loss_on(unseen, cell, dense))
        x, y = histories(budget.histories, lag, generator)
        optimizer.zero_grad()
        nn.functional.mse_loss(recalled(x, cell, dense), y).backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
    return Run(model, lag, rate, seed, updates, losses)


def recalled(x: Tensor, cell: nn.RNNBase, dense: nn.Linear) -> Tensor:
    output, _ = cell(x)
    return dense(output[:, -1])


def loss_on(unseen: tuple[Tensor, Tensor], cell: nn.RNNBase, dense: nn.Linear) -> float:
    """Mean squared error; infinite where the weights have left the numbers."""
    x, y = unseen
    with torch.no_grad():
        loss = nn.functional.mse_loss(recalled(x, cell, dense), y).item()
    return loss if math.isfinite(loss) else math.inf


def runs_of(model: str, lag: int, budget: Budget) -> list[Run]:
    """Every learning rate on the first seed, the two best on all seeds, and of these the one with the better median."""
    first = sorted((train(model, lag, rate, 0, budget) for rate in RATES), key=lambda run: run.final)
    tried = ", ".join(f"{run.rate:g}: {run.final:.2g}" for run in first)
    print(f"{lag} steps  {model:<14} rates on seed 0: {tried}", flush=True)
    full = [[run, *(train(model, lag, run.rate, seed, budget) for seed in range(1, budget.seeds))] for run in first[:2]]
    for runs in full:
        print(f"{'':12}rate {runs[0].rate:g} on all seeds: {', '.join(f'{run.final:.2g}' for run in runs)}", flush=True)
    return min(full, key=lambda runs: statistics.median(run.final for run in runs))


def picture(runs: list[Run], path: Path) -> None:
    """Loss over updates, a panel a lag: the median of the seeds as a line, their range as a band."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "long memory"  # the same runs give the same file
    from matplotlib import pyplot

    lags = sorted({run.lag for run in runs})
    figure, panels = pyplot.subplots(1, len(lags), figsize=(9, 3.6), sharey=True, squeeze=False, layout="constrained")
    for lag, panel in zip(lags, panels[0], strict=True):
        for color, model in zip(("#0b6e4f", "#7fb069", "#b3543f", "#3b5b92"), CELLS, strict=True):
            of_model = [run for run in runs if run.model == model and run.lag == lag]
            columns = list(zip(*(run.losses for run in of_model), strict=True))
            updates = of_model[0].updates
            panel.plot(updates, [statistics.median(column) for column in columns], color=color, label=model)
            panel.fill_between(
                updates, [min(c) for c in columns], [max(c) for c in columns], color=color, alpha=0.15, lw=0
            )
        panel.axhline(FORGOTTEN, color="0.4", lw=0.8, ls=":")
        panel.set(title=f"a value seen {lag} steps earlier", xlabel="updates", yscale="log")
    panels[0][0].set_ylabel("mean squared error on fresh histories")
    panels[0][0].annotate("nothing remembered", (0, FORGOTTEN), xytext=(0, 4), textcoords="offset points", fontsize=8)
    panels[0][-1].legend(frameon=False, fontsize=8, loc="lower left")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed, few updates, lag 20; draws nothing into docs")
    parser.add_argument("--output", type=Path, default=LAB, help="folder for long_memory.svg and long_memory.json")
    parser.add_argument("--threads", type=int, default=2)
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    budget = Budget(updates=100, seeds=1, evaluate_every=50) if wanted.quick else Budget()
    begin = time.perf_counter()
    runs = [run for lag in ([20] if wanted.quick else LAGS) for model in CELLS for run in runs_of(model, lag, budget)]
    print(f"{time.perf_counter() - begin:.0f} s; seeds 0 to {budget.seeds - 1}; {budget}")
    if not wanted.quick:
        picture(runs, wanted.output / "long_memory.svg")
        facts = {"torch": torch.__version__, "budget": asdict(budget), "runs": [asdict(run) for run in runs]}
        (wanted.output / "long_memory.json").write_text(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main()
