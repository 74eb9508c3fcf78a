"""Recurrent cells: the equations, a plain version to read, and the fast version."""

from sequela.cells.fading import decay_factors
from sequela.cells.frozen import Frozen
from sequela.cells.gru import GRU
from sequela.cells.grud import GRUD
from sequela.cells.lstm import LSTM
from sequela.cells.rnn import RNN
from sequela.cells.threads import get_num_threads, set_num_threads

__all__ = ["GRU", "GRUD", "LSTM", "RNN", "Frozen", "decay_factors", "get_num_threads", "set_num_threads"]
