"""The handle of one job, by what is asked of it."""
