"""The front door in Python: `optimize` with names, directories or loaded objects, and the `Front` that it returns."""
