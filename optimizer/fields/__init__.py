"""Fields: what a study is asked for, field by field: bounds, words of every door, lists of distributions."""
