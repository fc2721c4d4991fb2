"""Rank: a layer is split into two thin ones, whose product is nearest to it in what it writes."""
