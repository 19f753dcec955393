"""Network files and checkpoints on labelled pictures: figures, tables, a page."""
