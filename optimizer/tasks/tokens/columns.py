"""The columns that hold words and their tags, by the names that data sets give them."""

WORD_GUESSES = ("tokens", "words")
TAG_GUESSES = ("ner_tags", "tags", "labels", "label")
