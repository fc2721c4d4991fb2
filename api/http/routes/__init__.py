"""Routes, one resource each."""
