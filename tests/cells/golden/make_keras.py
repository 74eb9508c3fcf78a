"""Makes `keras.npz` and `keras.json`: random weights and inputs, and what Keras's own layers answer.

    KERAS_BACKEND=tensorflow PYTHON make_keras.py

where PYTHON has `keras==3.15.1` and `tensorflow-cpu`. The numbers stored here were made with the versions in
`keras.json`; the test needs neither Keras nor TensorFlow.
"""

import json
import os
import platform
from pathlib import Path

import keras
import numpy as np

HERE = Path(__file__).parent
INPUT, HIDDEN, STEPS = 5, 7, 11
LENGTHS = [11, 4, 1, 8]
# Name of the case: the layer, and what it is made with.
CASES = {
    "lstm": (keras.layers.LSTM, {}),
    "gru_reset_after": (keras.layers.GRU, {"reset_after": True}),
    "gru_reset_before": (keras.layers.GRU, {"reset_after": False}),
}


def case(name: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Weights in Keras's own layout, a ragged batch, initial states, every output and the final states."""
    kind, settings = CASES[name]
    layer = kind(HIDDEN, return_sequences=True, return_state=True, **settings)
    layer.build((None, STEPS, INPUT))
    # Wide enough for the gates to leave their linear part; Keras's own initial biases would hide a swapped bias.
    weights = [rng.normal(0, 0.6, weight.shape).astype("float32") for weight in layer.weights]
    layer.set_weights(weights)
    x = rng.normal(0, 1.5, (len(LENGTHS), STEPS, INPUT)).astype("float32")
    states = [rng.normal(0, 1, (len(LENGTHS), HIDDEN)).astype("float32") for _ in range(2 if name == "lstm" else 1)]
    mask = np.arange(STEPS) < np.array(LENGTHS)[:, None]
    outputs, *final = layer(x, mask=mask, initial_state=[keras.ops.convert_to_tensor(state) for state in states])
    return {
        "kernel": weights[0],
        "recurrent_kernel": weights[1],
        "bias": weights[2],
        "x": x,
        "initial": np.stack(states),
        # Past a history's end Keras repeats its last output; those rows are no statement about the cell.
        "outputs": np.where(mask[..., None], keras.ops.convert_to_numpy(outputs), 0),
        "final": np.stack([keras.ops.convert_to_numpy(state) for state in final]),
    }


def main() -> None:
    rng = np.random.default_rng(20261122)
    arrays = {f"{name}.{key}": value for name in CASES for key, value in case(name, rng).items()}
    np.savez_compressed(HERE / "keras.npz", lengths=np.array(LENGTHS), **arrays)
    made_with = {
        "keras": keras.version(),
        "backend": keras.backend.backend(),
        "backend_version": backend_version(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "processor": platform.machine(),
    }
    (HERE / "keras.json").write_text(json.dumps(made_with, indent=2) + "\n")


def backend_version() -> str:
    if keras.backend.backend() == "jax":
        import jax

        return jax.__version__
    import tensorflow

    return tensorflow.__version__


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
