"""The tutorial "from an empty folder", done as its page says."""
