"""Ranking: documents ordered for a query, by a reranker's scores or by the cosines of embeddings."""
