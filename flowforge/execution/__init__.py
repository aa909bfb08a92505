"""One attempt: bind the arguments, call the handler, collect what it does, decide what follows.

Neither Celery nor Redis is known here.
"""
