"""Reading what one server keeps over all jobs: indexes, totals, reports, streams."""
