"""The published experiments as data: settings and published values, each with its source."""
