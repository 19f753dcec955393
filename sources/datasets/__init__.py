"""Labelled pictures as they lie on disk: what training learns from, and what a run plays beside its own predictions."""
