"""The runner: processes that take queued studies from the database and run them, never in the web process."""
