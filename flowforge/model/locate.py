"""Addresses ("module:qualname") of functions and classes that definitions refer to.

An address is looked up among what this process has imported. It is never imported: a record in
Redis must not be able to make a worker load code.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

#: Modules that are a script itself; the second is the script in a spawned child process.
MAINS = frozenset({"__main__", "__mp_main__"})


def real_module(module: str) -> str:
    """Return the name under which another process can import ``module``.

    A script is ``__main__`` only in its own process: its classes take the name that ``-m`` was
    given, or the file's stem. Interactive code has no such name and stays ``__main__``.
    """
    if module in MAINS:
        module = _main_name(sys.modules.get(module))
    return module.removesuffix(".__main__")


def _main_name(main: ModuleType | None) -> str:
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else "__main__"


def address_of(target: object) -> str | None:
    """Return the address that ``find`` resolves to this very object; None when there is none.

    Lambdas, local functions and classes, partials, bound methods and callable objects have none.
    """
    module = getattr(target, "__module__", None)
    qualname = getattr(target, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualname, str):
        return None
    address = f"{real_module(module)}:{qualname}"
    return address if find(address) is target else None


def find(address: str) -> object | None:
    """Return what ``address`` names among the imported modules, or None."""
    name, _, qualname = address.partition(":")
    for candidate in (name, f"{name}.__main__", *MAINS):
        module = sys.modules.get(candidate)
        if module is not None and real_module(candidate) == name:
            found = _attribute(module, qualname)
            if found is not None:
                return found
    return None


def _attribute(module: ModuleType, qualname: str) -> object | None:
    # vars(), not getattr(): a module's __getattr__ may import.
    first, *rest = qualname.split(".")
    target: object | None = vars(module).get(first)
    for part in rest:
        target = getattr(target, part, None) if isinstance(target, type) else None
    return target
