"""Training: the training loop for fine-tuning a head, recovering a pruned model and making the built-in model."""
