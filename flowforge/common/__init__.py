"""Knows nothing of FlowForge: a cache, a bounded ``repr``, forks, what no class can disguise."""
