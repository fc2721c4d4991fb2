"""Unstructured pruning: boolean masks over connections and filters, their placement, and what they really gain."""
