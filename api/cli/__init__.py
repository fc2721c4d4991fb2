"""The `optimize` command; `app.main` is the console script. Heavy imports wait until a command needs them."""
