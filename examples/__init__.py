"""Flows over real data."""
