"""What a message is: its form, where it goes, the transport, and what is refused."""
