"""Channels and neurons of any network: found through its dependency graph, ranked, removed and compensated."""
