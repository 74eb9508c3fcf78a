"""Our GRU-D on the work of `pypots_grud.py`: the same histories, model, loss, optimizer and batches.

The whole fit is a loop of its own here: `sequela.train` takes tables of events, not arrays. Like that of PyPOTS it
begins with arrays that hold NaN, and fills, counts gaps, shuffles at each epoch, and trains with Adam. All histories
are put in their new order at once, so that a batch is a slice.
"""

from protocol import hold_to_two_cores, serve

hold_to_two_cores()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from grud_data import BATCH, CLASSES, EPOCHS, FEATURES, HIDDEN, PEOPLE, histories  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from sequela.cells import GRUD, set_num_threads  # noqa: E402
from sequela.train import Adam  # noqa: E402


class Classifier(nn.Module):
    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.cell = GRUD(FEATURES, HIDDEN, batch_first=True, mean=mean)
        self.dense = nn.Linear(HIDDEN, CLASSES)

    def forward(self, values: Tensor, observed: Tensor, gaps: Tensor) -> Tensor:
        _, h = self.cell(values, observed=observed, gaps=gaps)
        return self.dense(h[-1])


def prepared(data: dict[str, np.ndarray]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Values [B, T, F] carried forward (the mean before the first), observed, gaps in steps, label, mean."""
    x = torch.from_numpy(data["X"])
    observed = ~x.isnan()
    mean = x.nansum((0, 1)) / observed.sum((0, 1))
    values, gaps = torch.empty_like(x), torch.empty_like(x)
    last, gap = mean, torch.zeros_like(x[:, 0])
    for t in range(x.shape[1]):
        seen = observed[:, t]
        gaps[:, t] = gap
        values[:, t] = last = torch.where(seen, x[:, t], last)
        gap = torch.where(seen, 1.0, gap + 1)
    return values, observed, gaps, torch.from_numpy(data["y"]), mean


def fitted(data: dict[str, np.ndarray]) -> Classifier:
    *given, mean = prepared(data)
    model = Classifier(mean)
    optimizer = Adam(model.parameters())
    for _ in range(EPOCHS):
        people = torch.randperm(len(data["y"]))
        for *inputs, y in zip(*(t.index_select(0, people).split(BATCH) for t in given), strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(*inputs), y).backward()
            optimizer.step()
    return model


def main() -> None:
    torch.set_num_threads(1)  # whose threads would spin on the engine's two cores
    set_num_threads(2)
    torch.manual_seed(0)
    values, observed, gaps, y, mean = prepared(histories(BATCH))
    model = Classifier(mean)
    optimizer = Adam(model.parameters())
    everybody = histories(PEOPLE)

    def training() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(values, observed, gaps), y).backward()
        optimizer.step()

    def inference() -> None:
        with torch.inference_mode():
            model(values, observed, gaps)

    work = {"training": training, "inference": inference, "fit": lambda: fitted(everybody)}
    serve(work, {"torch": torch.__version__, "numpy": np.__version__})


if __name__ == "__main__":
    main()
