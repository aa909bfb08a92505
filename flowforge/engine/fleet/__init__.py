"""A fleet as screens show it: its servers, queues, workers, and what they do over time."""
