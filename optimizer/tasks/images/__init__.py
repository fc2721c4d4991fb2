"""Tasks of images: how their data are read."""
