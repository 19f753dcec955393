"""How good predictions are, head by head, judged in the pixels of the labelled pictures."""
