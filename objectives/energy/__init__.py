"""Energy of one inference: by a counter where the device has one that may be read, else from a model that says so."""
