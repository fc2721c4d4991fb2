"""Experiments on pretrained image networks: compressed by bits, pruning and low rank, then trained again."""
