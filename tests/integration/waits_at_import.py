"""What a script looks like that forgot its ``__main__`` guard."""

from __future__ import annotations

from tests.integration.error_message_flows import inner

print(inner.execute("echo", {"n": 1}).result())
