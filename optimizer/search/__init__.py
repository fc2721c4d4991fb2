"""The search: who puts configs forward, in which order. A ladder of seeds, a sampler, then local refinement."""
