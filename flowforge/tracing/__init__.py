"""Traces by OpenTelemetry: a span for each call that creates jobs, and for each attempt.

``carried`` and ``carrying`` need no library: they hand a context on. ``switch`` says whether a
process makes spans; only then ``spans`` and ``attempts`` are imported, and OpenTelemetry with them.
"""
