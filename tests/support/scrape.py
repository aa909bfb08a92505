"""Reading what is exported, with the parser of Prometheus' own client library."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from flowforge.metrics.exposition import CONTENT_TYPE


class Scrape:
    """One page of metrics."""

    def __init__(self, text: str) -> None:
        self.families = {one.name: one for one in text_string_to_metric_families(text)}

    @classmethod
    def of(cls, port: int) -> Scrape:
        """The page that a port of this host serves."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            assert reply.headers["Content-Type"] == CONTENT_TYPE
            return cls(reply.read().decode())

    def labels(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Labels and value of each sample of this name."""
        for family in self.families.values():
            for sample in family.samples:
                if sample.name == name:
                    yield sample.labels, sample.value

    def samples(self, name: str, **labels: str) -> Iterator[float]:
        """Values of the samples of this name that have these labels, and maybe more."""
        for found, value in self.labels(name):
            if labels.items() <= found.items():
                yield value

    def sum(self, name: str, **labels: str) -> float:
        """All of them together."""
        return sum(self.samples(name, **labels))
