"""Presets for people and cards of known networks (package data)."""
