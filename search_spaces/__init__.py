"""What may be proposed, and how a proposal becomes a smaller model."""
