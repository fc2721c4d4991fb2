"""What is measured on a model: accuracy, FLOPs, latency, energy, memory, size."""
