"""The upkeep of an installation: the loop that does it, and a file for each duty."""
