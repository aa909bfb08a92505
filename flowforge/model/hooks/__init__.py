"""Hooks: who hears of events, and what is told."""
