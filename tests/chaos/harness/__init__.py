"""The fault harness: real processes, injected faults, and a checker of what must hold after them.

One concern a file: ``ledger`` and ``flows`` are what runs, ``arena`` and ``site`` what it runs on,
``faults``, ``proxy`` and ``crash`` what is done to it, ``checker`` what must hold, ``rounds`` one
file for each kind of fault, ``runner`` and ``report`` how they are run and told.
"""
