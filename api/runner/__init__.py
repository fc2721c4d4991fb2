"""The runner: processes that take queued studies from the database and run them, outside the web process."""
