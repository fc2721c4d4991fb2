"""Published experiments from one command: run a preset, and put what was measured beside what was published."""
