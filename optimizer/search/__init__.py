"""The search: what proposes configs, in which order. A ladder of seeds, a sampler, then local refinement."""
