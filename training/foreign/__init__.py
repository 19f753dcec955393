"""Checkpoints of other code bases: one file per family recognises them and renames their keys to ours."""
