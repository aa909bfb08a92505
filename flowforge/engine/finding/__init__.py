"""Searching on all servers: jobs, open answers, failures, dead letters, what people did."""
