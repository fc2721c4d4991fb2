"""Recovery: pruned models are trained with the dense one as teacher. Each result is a candidate of its own."""
