"""Our own PyTorch definitions of the field's multi-task road networks, one file per family."""
