"""Values as bytes, for the store, and as JSON, for people."""
