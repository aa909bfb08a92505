"""What producers hold: submitting jobs, controlling them, waiting for them. Knows no worker."""
