"""What can be read of a job, as values."""
