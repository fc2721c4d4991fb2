"""Embeddings: one vector per text, from a sentence-transformers folder."""
