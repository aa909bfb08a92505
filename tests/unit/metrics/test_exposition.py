"""The text that Prometheus reads."""

from __future__ import annotations

from flowforge.metrics.exposition import Metric, Page
from flowforge.store.fleet_reads.totals import BUCKETS, Histogram
from tests.support.scrape import Scrape

GAUGE = Metric("a_gauge", "gauge", "A gauge.", ("name",))
PLAIN = Metric("plain", "gauge", "Without labels.")
TIMES = Metric("times_seconds", "histogram", "Times.")


def test_any_text_can_be_the_value_of_a_label() -> None:
    """Ids may hold what the format itself uses."""
    names = ['a "b"', "back\\slash", "{x}", "ü,=", "line\nfeed"]
    page = Page()
    for name in names:
        page.add(GAUGE, 1, name)
    assert [labels["name"] for labels, _ in Scrape(page.text()).labels("a_gauge")] == names


def test_samples_of_several_servers_share_a_metric() -> None:
    """Which is described once."""
    page = Page()
    for server in ("one", "two"):
        page.of(server=server).add(PLAIN, 1.5)
    page.add(PLAIN, 2)
    assert page.text() == (
        "# HELP plain Without labels.\n# TYPE plain gauge\n"
        'plain{server="one"} 1.5\nplain{server="two"} 1.5\nplain 2\n'
    )


def test_a_histogram_adds_its_buckets_up() -> None:
    """To the one without a bound, which has all."""
    page = Page()
    counts = (1, 0, 2, *[0] * (BUCKETS - 4), 4)
    page.of(server="one").add_times(TIMES, Histogram(counts, 9.25))
    found = Scrape(page.text())
    buckets = {labels["le"]: value for labels, value in found.labels("times_seconds_bucket")}
    assert len(buckets) == BUCKETS
    assert (buckets["0.001"], buckets["0.002"], buckets["0.004"]) == (1, 1, 3)
    assert (buckets["16777.2"], buckets["+Inf"]) == (3, 7)
    assert found.sum("times_seconds_count") == 7
    assert found.sum("times_seconds_sum") == 9.25


def test_a_page_without_samples_is_empty() -> None:
    """What has not happened has no sample."""
    assert Page().text() == ""
