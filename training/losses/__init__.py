"""Loss functions, each on tensors alone; which network uses which is in ``training/recipes``."""
