"""Where models come from: one file for each form in which people save them, one row each in `table.py`."""
