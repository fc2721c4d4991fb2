"""Front doors: the `optimize` command."""
