"""Whatever gives frames."""
