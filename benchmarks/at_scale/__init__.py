"""How long people wait for an answer about many jobs: lists, searches, one large job, pages."""
