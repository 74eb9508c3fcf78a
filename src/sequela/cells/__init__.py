"""Recurrent cells: the equations, a plain version to read, and the fast version."""

from sequela.cells.lstm import LSTM

__all__ = ["LSTM"]
