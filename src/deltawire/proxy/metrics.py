"""Metrics for Prometheus: plain counts, brought into its form when it asks.

An event costs no call of prometheus_client, whose own counters take 1-2 µs each time.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from .. import StreamReport
from ..chunks import Usage

# Upper bounds in seconds.
FIRST_TOKEN = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
GAP = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
GAP_NS = [int(bound * 1e9) for bound in GAP]  # for the tap, which counts

# A model's name comes from upstream, or from a client by way of it.
_LONGEST = 128


def _count(tokens: int | None) -> int:
    """Return an upstream's number of tokens if it is one that a counter can take."""
    return tokens if tokens is not None and 0 <= tokens < 1 << 53 else 0


class Spread:
    """A histogram: how many values each bucket has, and their sum in ns."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0

    def add(self, counts: list[int], total: int) -> None:
        """Add what one stream has counted."""
        self.counts = [mine + its for mine, its in zip(self.counts, counts, strict=True)]
        self.sum += total

    def observe(self, value: int) -> None:
        """Add one value, in ns."""
        self.counts[bisect_left(self.bounds, value / 1e9)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return upper bounds with how many values are not above them."""
        total = 0
        pairs: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            pairs.append((bound, total))
        return pairs


class ModelCounts:
    """What is counted of one model."""

    def __init__(self) -> None:
        self.endings: Counter[str] = Counter()
        self.events = 0
        self.bytes = 0
        self.input_tokens = 0
        self.output_tokens: Counter[str] = Counter()  # by source, as in StreamReport
        self.first_token = Spread(FIRST_TOKEN)
        self.gap = Spread(GAP)


class Metrics(Collector):
    """The counts of one proxy.

    Args:
        labels: how many models are told apart.
    """

    def __init__(self, labels: int = 100) -> None:
        self._labels = labels
        self.models: dict[str, ModelCounts] = {}
        self.requests: Counter[int] = Counter()  # by status
        self.in_flight = 0
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def exposition(self) -> bytes:
        """Return all counts as Prometheus reads them."""
        return generate_latest(self.registry)

    def add_stream(self, report: StreamReport, ending: str) -> None:
        """Count a stream that has ended."""
        counts = self._of(report.model)
        counts.endings[ending] += 1
        counts.events += report.events
        counts.bytes += report.bytes
        if report.usage is not None:
            counts.input_tokens += _count(report.usage.prompt_tokens)
        counts.output_tokens[report.output_tokens_source] += _count(report.output_tokens)
        if report.time_to_first_token is not None and report.last_token_at is not None:
            counts.first_token.observe(report.time_to_first_token)
            counts.gap.add(
                report.gaps or [0] * (len(GAP) + 1),
                report.last_token_at - report.started_at - report.time_to_first_token,
            )

    def add_answer(self, model: str | None, usage: Usage | None) -> None:
        """Count the tokens of an answer that was no stream."""
        if usage is not None:
            counts = self._of(model)
            counts.input_tokens += _count(usage.prompt_tokens)
            counts.output_tokens["usage"] += _count(usage.completion_tokens)

    def _of(self, model: str | None) -> ModelCounts:
        name = (model or "unknown")[:_LONGEST].encode("utf-8", "replace").decode()
        if name not in self.models and len(self.models.keys() - {"other", "unknown"}) >= self._labels:
            name = name if name == "unknown" else "other"
        return self.models.setdefault(name, ModelCounts())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; called by the registry."""
        requests = CounterMetricFamily(
            "deltawire_requests", "Requests, by the status of the answer.", labels=["status"]
        )
        for status, count in sorted(self.requests.items()):
            requests.add_metric([str(status)], count)
        yield requests
        yield GaugeMetricFamily("deltawire_streams_in_flight", "Streams that have not ended.", self.in_flight)
        yield self._by("streams", "Streams that have ended, by how.", "ending", lambda model: model.endings)
        yield self._sums("events", "Events of streams.", lambda model: model.events)
        yield self._sums("stream_bytes", "Bytes of streams, as upstream sent them.", lambda model: model.bytes)
        yield self._sums("input_tokens", "Tokens of prompts, as usage tells them.", lambda model: model.input_tokens)
        yield self._by(
            "output_tokens",
            "Tokens of outputs, as usage tells them; without usage chunks that bore output.",
            "source",
            lambda model: model.output_tokens,
        )
        yield self._spreads(
            "time_to_first_token", "From a request to the first output.", lambda model: model.first_token
        )
        yield self._spreads("inter_token_gap", "From output to output of a stream.", lambda model: model.gap)

    def _sums(self, name: str, text: str, value: Callable[[ModelCounts], int]) -> Metric:
        family = CounterMetricFamily(f"deltawire_{name}", text, labels=["model"])
        for model, counts in self.models.items():
            family.add_metric([model], value(counts))
        return family

    def _by(self, name: str, text: str, label: str, values: Callable[[ModelCounts], Counter[str]]) -> Metric:
        family = CounterMetricFamily(f"deltawire_{name}", text, labels=["model", label])
        for model, counts in self.models.items():
            for key, count in values(counts).items():
                family.add_metric([model, key], count)
        return family

    def _spreads(self, name: str, text: str, spread: Callable[[ModelCounts], Spread]) -> Metric:
        family = HistogramMetricFamily(f"deltawire_{name}_seconds", text, labels=["model"])
        for model, counts in self.models.items():
            family.add_metric([model], spread(counts).buckets(), spread(counts).sum / 1e9)
        return family
