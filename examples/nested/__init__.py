"""The same flights by carrier and by aircraft: fanned out twice, joined twice."""
