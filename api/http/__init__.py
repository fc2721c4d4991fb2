"""The HTTP service: studies and fronts under `/v1`, on the same store and loop as the command line."""
