"""The migrations, one file per step, each the successor of the one it names."""
