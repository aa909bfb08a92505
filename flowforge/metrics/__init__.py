"""What Prometheus is told: of a fleet by what its servers keep, and of one worker by itself."""
