"""The hallway: queues, stages, the run itself, and what is measured on the way."""
