"""What is remembered: studies, candidates, measurements and verdicts, in SQL."""
