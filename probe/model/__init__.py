"""Frozen data that every layer shares: what to measure, what happened, what it was judged to mean."""
