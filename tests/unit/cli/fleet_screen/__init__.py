"""The screen of ``flowforge top``, without a terminal and a server."""
