"""What people do to a job by hand: edits, breakpoints, skips, new jobs that begin as it did."""
