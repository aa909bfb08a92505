"""The writes: each calls one script, whose answers are typed."""
