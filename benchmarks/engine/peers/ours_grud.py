"""Our GRU-D on the work of `pypots_grud.py`: the same histories, model, loss, optimizer and batches.

The whole fit is a loop of its own here, since `sequela.train` trains forecasts. Like that of PyPOTS it begins with
arrays that hold NaN, and fills, counts gaps, shuffles, and trains with Adam.
"""

from protocol import hold_to_two_cores, serve

hold_to_two_cores()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from grud_data import BATCH, CLASSES, EPOCHS, FEATURES, HIDDEN, PEOPLE, histories  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from sequela.cells import GRUD  # noqa: E402


class Classifier(nn.Module):
    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.cell = GRUD(FEATURES, HIDDEN, mean=mean)
        self.dense = nn.Linear(HIDDEN, CLASSES)

    def forward(self, values: Tensor, observed: Tensor, gaps: Tensor) -> Tensor:
        _, h = self.cell(values, observed=observed, gaps=gaps)
        return self.dense(h[-1])


def prepared(data: dict[str, np.ndarray]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Values [T, B, F] carried forward (the mean before the first), observed, gaps in steps, label, mean."""
    x = torch.from_numpy(data["X"]).transpose(0, 1).contiguous()
    observed = ~x.isnan()
    mean = x.nanmean((0, 1))
    steps = torch.arange(x.shape[0])[:, None, None]
    last = torch.where(observed, steps, -1).cummax(0).values
    values = torch.where(last >= 0, x.gather(0, last.clamp(min=0)), mean)
    before = torch.cat([torch.zeros_like(last[:1]), last[:-1].clamp(min=0)])
    return values, observed, (steps - before).to(x.dtype), torch.from_numpy(data["y"]), mean


def adam(model: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)


def fitted(data: dict[str, np.ndarray]) -> Classifier:
    values, observed, gaps, y, mean = prepared(data)
    model = Classifier(mean)
    optimizer = adam(model)
    for _ in range(EPOCHS):
        for people in torch.randperm(len(y)).split(BATCH):
            optimizer.zero_grad()
            given = (t.index_select(1, people) for t in (values, observed, gaps))
            nn.functional.cross_entropy(model(*given), y[people]).backward()
            optimizer.step()
    return model


def main() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(0)
    values, observed, gaps, y, mean = prepared(histories(BATCH))
    model = Classifier(mean)
    optimizer = adam(model)
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
