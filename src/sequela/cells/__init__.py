"""Recurrent cells: the equations, a plain version to read, and the fast version."""

from sequela.cells.gru import GRU
from sequela.cells.lstm import LSTM
from sequela.cells.rnn import RNN

__all__ = ["GRU", "LSTM", "RNN"]
