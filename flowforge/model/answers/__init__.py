"""Answers from outside: what is expected, its form, and whether an answer fits."""
