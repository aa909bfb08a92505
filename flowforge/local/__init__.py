"""The engine of a process that was given no server: a private server and a worker inside it."""
