"""The model that the Keras comparison trains, LSTM(50), LSTM(50), dense, and its data. NumPy only."""

import numpy as np

BATCH, STEPS, INPUTS, HIDDEN = 32, 10, 1, 50
BATCHES = 40  # of one call of Keras's `fit`


def windows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of ten successive values and the next one."""
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=(count, STEPS, INPUTS)).astype("float32"),
        rng.normal(size=(count, 1)).astype("float32"),
    )
