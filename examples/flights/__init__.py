"""A year of departures from New York: 336,776 flights, split by day, checked, joined, drawn."""
