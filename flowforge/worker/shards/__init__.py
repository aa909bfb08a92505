"""The servers of a worker: one of them, and consuming from several."""
