"""``flowforge dev``: a server, workers that reload, and the dashboard, in one terminal.

One process, one thread and one loop hold them together. Each of them is the command that a user
would start by hand, in a supervised process, so that nothing outlives the terminal.
"""
