"""Extractive question answering: the words of a context that answer a question, or that there are none."""
