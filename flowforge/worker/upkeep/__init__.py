"""The upkeep of a fleet: the loop that does it, and a file for each duty."""
