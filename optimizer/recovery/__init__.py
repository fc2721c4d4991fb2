"""Recovery: pruned models learn from the dense one or another teacher. Each result is a candidate of its own."""
