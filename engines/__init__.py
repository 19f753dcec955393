"""Whatever runs a network: pictures to tensors, runtimes, cards; heads turn outputs into predictions."""
