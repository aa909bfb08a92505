"""Reading a form that a browser has sent, within bounds."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from flowforge.errors import FlowForgeError
from flowforge.web.security.guard import MOST_BYTES

#: Fields of one form.
MOST_FIELDS = 2000


class FormError(FlowForgeError, ValueError):
    """What was sent is no form that the dashboard has made."""


async def read_form(request: Request) -> FormData:
    """The fields of a form, which has no files. FormError for one that cannot be read."""
    try:
        return await request.form(max_files=0, max_fields=MOST_FIELDS, max_part_size=MOST_BYTES)
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise FormError(
            f"This form cannot be read: {error.detail} A form may have {MOST_FIELDS} fields. More "
            "params are given by a program, or on the command line: flowforge run, edit, fork and "
            "rerun."
        ) from error
