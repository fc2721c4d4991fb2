"""Images: the data sets of the literature, small definitions of their models, and a plain deterministic training."""
