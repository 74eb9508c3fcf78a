"""Our LSTM(50), LSTM(50), dense: one batch with loss, backward and Adam on ready tensors."""

from protocol import hold_to_two_cores, serve

hold_to_two_cores()

import torch  # noqa: E402
from lstm_data import BATCH, HIDDEN, INPUTS, windows  # noqa: E402

from sequela.cells import LSTM, set_num_threads  # noqa: E402
from sequela.train import Adam  # noqa: E402


def main() -> None:
    torch.set_num_threads(1)  # whose threads would spin on the engine's two cores
    set_num_threads(2)
    torch.manual_seed(0)
    cell, dense = LSTM(INPUTS, HIDDEN, num_layers=2, batch_first=True), torch.nn.Linear(HIDDEN, 1)
    optimizer = Adam([*cell.parameters(), *dense.parameters()])
    x, y = (torch.from_numpy(array) for array in windows(BATCH))

    def batch() -> None:
        optimizer.zero_grad()
        _, (h, _) = cell(x)
        torch.nn.functional.mse_loss(dense(h[-1]), y).backward()
        optimizer.step()

    serve({"batch": batch}, {"torch": torch.__version__})


if __name__ == "__main__":
    main()
