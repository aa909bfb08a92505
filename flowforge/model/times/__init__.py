"""When jobs and invocations start, and how long they may take."""
