"""Weights of Keras, converted, give Keras's own numbers (`golden/make_keras.py` made them)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sequela.cells import GRU, LSTM

GOLDEN = Path(__file__).parent / "golden"
# Where torch's gates stand in Keras's order. LSTM: i, f, c, o is torch's i, f, g, o. GRU: z, r, h against r, z, n.
GATE_ORDER = {"lstm": [0, 1, 2, 3], "gru_reset_after": [1, 0, 2], "gru_reset_before": [1, 0, 2]}
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "keras.npz", allow_pickle=False) as stored:
        return dict(stored)


def reordered(matrix: np.ndarray, order: list[int]) -> torch.Tensor:
    """Keras's [rows, gates * H] as torch's [gates * H, rows]."""
    gates = np.split(matrix.T, len(order))
    return torch.from_numpy(np.concatenate([gates[place] for place in order]))


def state_dict(golden: dict[str, np.ndarray], case: str) -> dict[str, torch.Tensor]:
    """Keras's kernel, recurrent kernel and bias under torch's names and in torch's gate order."""
    order = GATE_ORDER[case]
    bias = golden[f"{case}.bias"]
    # Reset after keeps an input and a recurrent bias; the others keep one, which is as good as the input's.
    bias_ih, bias_hh = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
    return {
        "weight_ih_l0": reordered(golden[f"{case}.kernel"], order),
        "weight_hh_l0": reordered(golden[f"{case}.recurrent_kernel"], order),
        "bias_ih_l0": reordered(bias_ih[None], order).flatten(),
        "bias_hh_l0": reordered(bias_hh[None], order).flatten(),
    }


def cell(golden: dict[str, np.ndarray], case: str) -> torch.nn.RNNBase:
    inputs, hidden = golden[f"{case}.x"].shape[-1], golden[f"{case}.initial"].shape[-1]
    if case == "lstm":
        made = LSTM(inputs, hidden, batch_first=True)
    else:
        made = GRU(inputs, hidden, batch_first=True, reset=case.removeprefix("gru_reset_"))
    made.load_state_dict(state_dict(golden, case))
    return made


@pytest.mark.parametrize("case", list(GATE_ORDER))
def test_converted_weights_give_the_numbers_of_keras(golden: dict[str, np.ndarray], case: str) -> None:
    x, initial = torch.from_numpy(golden[f"{case}.x"]), torch.from_numpy(golden[f"{case}.initial"])
    packed = pack_padded_sequence(x, torch.from_numpy(golden["lengths"]), batch_first=True, enforce_sorted=False)
    hx = (initial[:1], initial[1:]) if case == "lstm" else initial
    with torch.no_grad():
        output, final = cell(golden, case)(packed, hx)
    outputs, _ = pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
    finals = torch.cat(final) if case == "lstm" else final
    assert np.abs(outputs.numpy() - golden[f"{case}.outputs"]).max() <= TOLERANCE
    assert np.abs(finals.numpy() - golden[f"{case}.final"]).max() <= TOLERANCE


@pytest.mark.parametrize("case", list(GATE_ORDER))
def test_a_wrong_gate_order_would_be_seen(
    golden: dict[str, np.ndarray], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = GATE_ORDER[case]
    monkeypatch.setitem(GATE_ORDER, case, [order[1], order[0], *order[2:]])
    with pytest.raises(AssertionError):
        test_converted_weights_give_the_numbers_of_keras(golden, case)


def test_the_numbers_say_what_made_them() -> None:
    made_with = json.loads((GOLDEN / "keras.json").read_text())
    assert {"keras", "backend", "backend_version", "numpy"} <= made_with.keys()
