"""The connection to a server: its address, its clients, its errors, and what it must offer."""
