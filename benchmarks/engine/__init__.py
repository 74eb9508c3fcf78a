"""The parts of `benchmarks/cells.py`: one file a question, and what they measure with."""
