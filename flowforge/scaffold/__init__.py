"""A new project of a user: the files that ``flowforge new`` writes."""
