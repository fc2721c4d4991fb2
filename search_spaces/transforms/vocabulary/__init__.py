"""Vocabulary: rows of the token embedding that no text of the user needs are removed."""
