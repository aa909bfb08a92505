"""The reports of workers: how long one of them counts."""

#: Seconds without a report after which a worker counts as gone: three reports are missing.
STALE = 15

#: Seconds until a worker that stopped reporting is forgotten.
FORGOTTEN = 120
