"""The study itself: spec, workloads, the search loop, verification and hand-over."""
