"""Token classification: one tag per word, as in the recognition of named entities."""
