"""Creating jobs: what they have in common, what differs, and sending them to their servers."""
