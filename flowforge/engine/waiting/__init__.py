"""Waiting for jobs and following them, over outages of the server."""
