"""Bulk operations: which jobs they are about, and what is done to each of them."""
