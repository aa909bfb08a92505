"""Why a module of the user's could not be imported: what workers and the command line say of it."""

from __future__ import annotations

import os

from flowforge.execution.frames import own_place


def is_missing(name: str, error: BaseException) -> bool:
    """Whether importing failed because there is no such module, not because of what is in it."""
    return isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}.")


def import_failure(name: str, error: BaseException) -> str:
    """Why a module could not be imported, and where."""
    if is_missing(name, error):
        missing = getattr(error, "name", name)
        hint = ""
        if name.endswith(".py") or os.sep in name:
            module = name.removesuffix(".py").strip("./").replace(os.sep, ".")
            hint = f"; it takes the name of a module, not of its file: {module}"
        return f"there is no module {missing!r} in {os.getcwd()} or on the Python path{hint}"
    place: tuple[object, ...] = own_place(error) or ("?", "?")
    if isinstance(error, SyntaxError):
        place = (error.filename, error.lineno)
    where = f"{place[0]}, line {place[1]}"
    return f"importing {name!r} failed at {where}: {type(error).__name__}: {error}"
