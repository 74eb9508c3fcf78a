"""Keras's LSTM(50), LSTM(50), dense: one batch by `train_on_batch`, and forty by `fit`. KERAS_BACKEND chooses below."""

import os

from protocol import hold_to_two_cores, serve

hold_to_two_cores()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
from lstm_data import BATCH, BATCHES, HIDDEN, INPUTS, STEPS, windows  # noqa: E402


def main() -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((STEPS, INPUTS)),
            layers.LSTM(HIDDEN, return_sequences=True),
            layers.LSTM(HIDDEN),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    x, y = (keras.ops.convert_to_tensor(array) for array in windows(BATCH))
    many = windows(BATCH * BATCHES)

    def batch() -> None:
        model.train_on_batch(x, y)

    def forty_batches() -> None:
        model.fit(*many, batch_size=BATCH, epochs=1, verbose=0, shuffle=False)

    backend = keras.backend.backend()
    version = __import__("jax" if backend == "jax" else "tensorflow").__version__
    serve({"batch": batch, "forty_batches": forty_batches}, {"keras": keras.version(), backend: version})


if __name__ == "__main__":
    main()
