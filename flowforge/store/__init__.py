"""Redis: the keys, the scripts that are the transitions, their answers, and every read."""
