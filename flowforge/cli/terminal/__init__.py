"""How commands look: tables, bars, progress, and text of others made harmless."""
