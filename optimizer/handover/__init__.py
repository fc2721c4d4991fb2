"""Export a candidate as a model that runs elsewhere, and load it again."""
