"""Unstructured pruning: boolean masks over connections and filters, where they may lie, and what they really gain."""
