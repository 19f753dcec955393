"""Heads: a network's outputs become parts of a prediction. NumPy on the CPU, the definition of every other way."""
