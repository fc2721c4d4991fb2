"""What this machine can measure, by which means, and what would make its figures better."""
