"""Multi-label classification: none, one or several labels per text."""
