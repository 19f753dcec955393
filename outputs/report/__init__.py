"""The page about a run: what is kept while it lasts, and what is drawn from it at the end."""
