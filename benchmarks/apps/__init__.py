"""What the workers of the trials import."""
