"""What a FlowForge step costs beside what plain Celery and lean queues cost.

``make bench`` measures everything, ``make bench-quick`` a part in under two minutes; both print a
table and write ``build/bench.json``. How it is done:

* ``frame/`` is the part that all measures share: a *trial* is one process with a fresh server,
  fresh workers and a producer; a *session* runs the trials of all measures in turns, round by
  round, so that a change of the machine's mood meets all of them.
* ``measures/`` has one file for each group of measures: its trials and the rows of the table.
* ``apps/`` is what workers import: flows, and the hand-written tasks that they are compared with.
"""
