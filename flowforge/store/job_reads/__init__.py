"""Reading one job: its row, its routines, its history, and what is outstanding."""
