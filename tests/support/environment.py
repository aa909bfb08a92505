"""The environment of a test's programs: the settings of whoever runs the tests stay out.

So do options for pytest: a test that runs pytest does it as users do.
"""

from __future__ import annotations

import os

#: What the names of FlowForge's settings begin with.
SETTINGS = "FLOWFORGE_"

#: The variable with options for every pytest.
_PYTEST_OPTIONS = "PYTEST_ADDOPTS"


def settings_in_force() -> list[str]:
    """The names of the settings that this process has in its environment."""
    return [name for name in os.environ if name.startswith(SETTINGS)]


def without_settings(**more: str) -> dict[str, str]:
    """This process's environment without FlowForge's settings and pytest's, and with ``more``."""
    named = [*settings_in_force(), _PYTEST_OPTIONS]
    return {name: value for name, value in os.environ.items() if name not in named} | more
