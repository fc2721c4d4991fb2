"""Parts of `benchmarks/truth.py`: one kind of promise each."""
