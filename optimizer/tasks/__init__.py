"""Tasks: what a model is asked, and how the examples are read."""
