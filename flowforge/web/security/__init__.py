"""Who asks, and what a request has to show before a page sees it."""
