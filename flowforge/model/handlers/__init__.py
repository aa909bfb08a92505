"""Handlers: how they are found, and which params they receive."""
