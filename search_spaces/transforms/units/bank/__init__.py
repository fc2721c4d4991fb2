"""The layer bank: units of every group ranked once, consumers solved once per level, kept on disk for every study."""
