"""The histories of the GRU-D comparison, the same for both sides. NumPy only."""

import numpy as np

BATCH, STEPS, FEATURES, HIDDEN, CLASSES = 32, 48, 37, 64, 2
PEOPLE, EPOCHS = 512, 2  # of the whole fit: 32 batches


def histories(people: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Values with NaN where nothing was measured (four of five, as on an intensive care ward), and a label."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(people, STEPS, FEATURES)).astype("float32")
    values[rng.random(values.shape) < 0.8] = np.nan
    return {"X": values, "y": rng.integers(0, CLASSES, people)}
