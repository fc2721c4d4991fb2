"""Experiments on images: networks trained dense or under masks, their rows, tables and figures."""
