"""PyPOTS's GRU-D: a training step and an inference step on ready tensors, and a whole fit."""

from protocol import hold_to_two_cores, serve

hold_to_two_cores()

import numpy  # noqa: E402
import pypots  # noqa: E402
import torch  # noqa: E402
from grud_data import BATCH, CLASSES, EPOCHS, FEATURES, HIDDEN, PEOPLE, STEPS, histories  # noqa: E402
from pypots.classification import GRUD  # noqa: E402
from pypots.classification.grud.data import DatasetForGRUD  # noqa: E402


def classifier() -> GRUD:
    return GRUD(
        n_steps=STEPS,
        n_features=FEATURES,
        n_classes=CLASSES,
        rnn_hidden_size=HIDDEN,
        batch_size=BATCH,
        epochs=EPOCHS,
        device="cpu",
        verbose=False,
    )


def main() -> None:
    torch.set_num_threads(2)
    model = classifier()
    loader = torch.utils.data.DataLoader(DatasetForGRUD(histories(BATCH)), batch_size=BATCH)
    ready = model._assemble_input_for_training(next(iter(loader)))
    everybody = histories(PEOPLE)

    def training() -> None:
        model.model.train()
        model.optimizer.zero_grad()
        model.model(ready, calc_criterion=True)["loss"].sum().backward()
        model.optimizer.step()

    def inference() -> None:
        model.model.eval()
        with torch.no_grad():
            model.model(ready)

    def fit() -> None:
        classifier().fit(everybody)

    versions = {"pypots": pypots.__version__, "torch": torch.__version__, "numpy": numpy.__version__}
    serve({"training": training, "inference": inference, "fit": fit}, versions)


if __name__ == "__main__":
    main()
