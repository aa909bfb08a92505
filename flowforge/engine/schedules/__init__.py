"""Schedules: declaring them in code, and reading and controlling those that are kept."""
