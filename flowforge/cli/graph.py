"""``flowforge graph``: the graph of a flow or a job as text, Mermaid, SVG or JSON."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import click

from flowforge.broker.routing import Router
from flowforge.cli.drawing.boxes import ASCII, UNICODE, boxes
from flowforge.cli.drawing.layers import layers
from flowforge.cli.drawing.listing import connection_lines, layered_table
from flowforge.cli.drawing.mermaid import mermaid
from flowforge.cli.drawing.subject import Subject
from flowforge.cli.drawing.svg import svg
from flowforge.cli.group import CommandFailedError
from flowforge.cli.options.arguments import checked_job_id
from flowforge.cli.session import Session, pass_session
from flowforge.cli.target import load_flow
from flowforge.cli.terminal.render import print_json
from flowforge.codec.plain import to_json
from flowforge.common.bounded_repr import shown
from flowforge.composition import producing_app
from flowforge.engine.finding.find import find
from flowforge.engine.flow_versions import flow_versions
from flowforge.engine.jobs.job_report import routines
from flowforge.errors import ConfigurationError, JobNotFoundError
from flowforge.model.invocation_id import is_task_id, job_of_task
from flowforge.store.fleet_reads.finding import Query

#: Columns of a drawing where the output is no terminal.
_WIDTH = 80

#: Routines beyond which there are no boxes: nobody finds a way through so many.
_MOST = 100

#: Latest jobs of a flow among which its newest definition is looked for.
_LATEST = 20


@click.command("graph")
@click.argument("subject", metavar="FLOW|JOB")
@click.option("--ascii", is_flag=True, help="Boxes; the default.")
@click.option("--mermaid", is_flag=True, help="A Mermaid flowchart.")
@click.option("--svg", is_flag=True, help="An SVG file; needs flowforge[web].")
@click.option("--json", is_flag=True, help="Routines, layers and connections.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write it to FILE in place of stdout.",
)  # fmt: skip
@pass_session
def graph(session: Session, /, subject: str, output: Path | None, **forms: bool) -> None:
    """Draw the graph of a flow, or of a job with its counts.

    FLOW is MODULE:FLOW, as `flowforge run` takes it, or the name of a flow that has jobs: then its
    newest job says how it looks. MODULE alone may be given where no job and no flow has its name.
    """
    form = _form(forms)
    found = _subject(session, subject)
    if form == "json" and output is None:
        print_json(_data(found))
        return
    text = _text(found, form, output)
    if output is None:
        # Each part was cleaned where its format was made.
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandFailedError(f"{output} cannot be written: {error.strerror}") from error


def _form(forms: dict[str, bool]) -> str:
    wanted = [name for name, is_wanted in forms.items() if is_wanted]
    if len(wanted) > 1:
        raise click.UsageError(f"give one of {', '.join(f'--{name}' for name in wanted)}")
    return wanted[0] if wanted else "ascii"


def _subject(session: Session, text: str) -> Subject:
    if ":" in text or text.endswith(".py"):
        return _of_code(session, text)
    try:
        return _known(session, text) or _of_module(
            session, text, f"there is no job {shown(text)}, and no flow of this name has jobs"
        )
    except ConfigurationError as error:
        # Without a server there is no job, and none is needed for a module.
        return _of_module(session, text, f"{shown(text)} cannot be looked for among jobs: {error}")


def _known(session: Session, text: str) -> Subject | None:
    """The job, else the flow of this name that has jobs."""
    job_id = job_of_task(text) if is_task_id(text) else text
    try:
        return _job(session, checked_job_id(job_id))
    except JobNotFoundError:
        return _deployed(session, text)


def _job(session: Session, job_id: str) -> Subject:
    engine = session.engine(job_id)
    status = engine.inspector.status(job_id)
    definition = engine.inspector.definition(job_id)
    return Subject(definition, job_id, status.value, routines(engine, job_id))


def _of_code(session: Session, text: str) -> Subject:
    """As a job of it that is submitted here would have it: with the queue of each routine."""
    flow = load_flow(text)
    router = Router(session.given.app or producing_app())
    queues = {one.id: router.queue(one.class_name, one.queue) for one in flow.definition().routines}
    return Subject(flow.definition(queues))


def _of_module(session: Session, name: str, otherwise: str) -> Subject:
    """The flow of a module. ``otherwise``: why the name is nothing else."""
    try:
        return _of_code(session, name)
    except click.BadParameter as error:
        raise CommandFailedError(f"{error.message}; {otherwise}") from error


def _deployed(session: Session, flow_id: str) -> Subject | None:
    """The flow as its newest job has it; None without a job."""
    if not flow_id:
        return None
    versions = flow_versions(find(session.engines(), Query(flow_id=flow_id), _LATEST).jobs)
    if not versions:
        return None
    job_id = versions[0].job_id
    return Subject(session.engine(job_id).inspector.definition(job_id))


def _text(subject: Subject, form: str, output: Path | None) -> str:
    if form == "mermaid":
        return mermaid(subject)
    if form == "svg":
        return svg(subject, _picture(subject))
    if form == "json":
        return to_json(_data(subject), 2) + "\n"
    unicode = output is not None or _encodes(UNICODE.lines + UNICODE.down)
    width = shutil.get_terminal_size().columns if output is None and sys.stdout.isatty() else _WIDTH
    return "\n".join(_drawn(subject, width, unicode=unicode)) + "\n"


def _drawn(subject: Subject, width: int, *, unicode: bool) -> list[str]:
    """Boxes and what their lines carry, or the layered table where boxes do not fit."""
    texts = [subject.lines(place) for place in range(len(subject.definition.routines))]
    drawing = None
    if len(texts) <= _MOST:
        drawing = boxes(texts, subject.edges, width, UNICODE if unicode else ASCII)
    if drawing is None:
        return [subject.title, "", *layered_table(subject)]
    carried = connection_lines(subject)
    return [subject.title, "", *drawing, *([""] if carried else []), *carried]


def _encodes(signs: str) -> bool:
    try:
        signs.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _data(subject: Subject) -> dict[str, Any]:
    definition = subject.definition
    found = layers(len(definition.routines), subject.edges)
    return {
        "flow_id": definition.flow_id,
        "definition": definition.hash,
        "job_id": subject.job_id,
        "status": subject.status or None,
        "routines": [
            {
                "routine_id": spec.id,
                "class": spec.class_name,
                "queue": spec.queue,
                "layer": layer,
                **({"state": subject.states[spec.id]} if subject.states else {}),
            }
            for spec, layer in zip(definition.routines, found.of, strict=True)
        ],
        "connections": [
            {**one.serialize(), "closes_cycle": edge in found.back}
            for edge, one in zip(subject.edges, definition.connections, strict=True)
        ],
    }


def _picture(subject: Subject) -> Any:
    """The picture that the dashboard shows, whose packages are an extra."""
    try:
        from flowforge.web.graph.layout import DRAWS, layout  # noqa: PLC0415
        from flowforge.web.graph.picture import picture  # noqa: PLC0415
    except ImportError as error:
        raise CommandFailedError(
            f"--svg needs more packages ({error.name} is missing): pip install 'flowforge[web]'; "
            "--mermaid and --ascii need none"
        ) from error
    placed = layout(subject.definition)
    if placed is None:
        why = (
            "the flow has too many routines for a picture"
            if DRAWS
            else "the package graphlay is missing: pip install 'flowforge[web]'"
        )
        raise CommandFailedError(f"no SVG: {why}; --mermaid and --ascii draw it")
    states = subject.states or {spec.id: {} for spec in subject.definition.routines}
    return picture(subject.definition, placed, states)
