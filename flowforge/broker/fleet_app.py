"""The Celery app of a fleet, for its producers and for its workers."""

from __future__ import annotations

from celery import Celery

from flowforge.broker.address import broker_address, state_url
from flowforge.settings import Settings


def fleet_app(settings: Settings) -> Celery:
    """A Celery app for workers that run nothing but FlowForge, or for producers.

    Its broker is the first server of the settings.
    """
    assert settings.servers, "fleet_app is for settings with a URL"
    broker, options = broker_address(state_url(str(settings.servers[0].redis_url)))
    app = Celery("flowforge", broker=broker, set_as_current=False)
    app.conf.update(
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        task_ignore_result=True,
        accept_content=["json"],
    )
    if settings.prefix != Settings.prefix:
        # Fleets that share a server must not pop each other's messages.
        options["global_keyprefix"] = f"{settings.prefix}:"
    app.conf.broker_transport_options = options
    app.conf.update(dict(settings.celery))
    return app
