"""A crowd of simulated workers on a real server, for plans of large fleets.

The server, its data, the scripts and the messages are real, and so is the upkeep. A worker is a set
of connections that sends what a worker of this version sends, at its pace; a handler is a sleep.
"""
