"""Reading invocations of a job: in lists, or one of them."""
