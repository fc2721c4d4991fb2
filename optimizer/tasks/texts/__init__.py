"""Tasks of texts: how their data are read."""
