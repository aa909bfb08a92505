"""Drawings of flows as text."""
