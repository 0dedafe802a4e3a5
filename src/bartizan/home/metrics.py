"""Counters without content: what a process counts, and how the supervisor adds them up.

A gateway process only adds to numbers in a dict. The supervisor asks each process when somebody asks it, and keeps the
last numbers of processes that ended, so that no counter goes back.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
JUDGE_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)

# name -> (type, help, labels)
FAMILIES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "requests": ("counter", "HTTP requests answered.", ("route", "status")),
    "decisions": ("counter", "Subjects judged.", ("side", "action")),
    "findings": ("counter", "Findings in judged subjects.", ("risk",)),
    "examination_failures": ("counter", "Examinations that could not be made.", ("detector",)),
    "refused_clients": ("counter", "Requests nobody read: bad HTTP, no key, too many.", ("why",)),
    "upstream_calls": ("counter", "Calls of upstreams.", ("upstream", "outcome")),
    "ledger_failures": ("counter", "Records that could not be kept.", ()),
    "unrecorded": ("counter", "Exchanges passed while the disk was full.", ()),
    "watched_rows": ("counter", "Rows that watched models were asked about.", ("seen",)),
    "sessions_forgotten": ("counter", "Sessions with watched models let go because there were too many.", ()),
    "sessions_open": ("gauge", "Sessions with watched models.", ()),
    "tunnels": ("counter", "Tunnels and plain requests of the proxy that ended.", ("ended",)),
    "tunnel_bytes": ("counter", "Bytes that went through the proxy.", ("way",)),
    "tunnels_open": ("gauge", "Tunnels and plain requests of the proxy under way.", ()),
    "in_flight": ("gauge", "Requests under way.", ()),
    "connections": ("gauge", "Client connections.", ()),
    "records_waiting": ("gauge", "Records on their way to the disk.", ()),
    "resident_bytes": ("gauge", "Memory of the gateway processes.", ()),
    "exchange_seconds": ("histogram", "From a whole request to its whole answer.", ("route",)),
    "judge_seconds": ("histogram", "One judgement.", ()),
}

Labels = tuple[str, ...]
Sample = tuple[str, Labels, float]


class Counters:
    """The numbers of one process."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, Labels], float] = {}
        self.spread: dict[tuple[str, Labels], list[float]] = {}

    def add(self, name: str, *labels: str, by: float = 1) -> None:
        """Count."""
        key = (name, labels)
        self.values[key] = self.values.get(key, 0) + by

    def took(self, name: str, seconds: float, *labels: str) -> None:
        """Count a time: into its bucket, the sum and the number."""
        key = (name, labels)
        buckets = JUDGE_BUCKETS_S if name == "judge_seconds" else BUCKETS_S
        cells = self.spread.get(key)
        if cells is None:
            cells = self.spread[key] = [0.0] * (len(buckets) + 3)
        cells[bisect_left(buckets, seconds)] += 1
        cells[-2] += seconds
        cells[-1] += 1

    def samples(self, gauges: Mapping[str, float]) -> list[list[object]]:
        """Everything, as JSON can hold it."""
        out: list[list[object]] = [[name, list(labels), value] for (name, labels), value in self.values.items()]
        out += [[name, [], value] for name, value in gauges.items()]
        out += [[name, list(labels), list(cells)] for (name, labels), cells in self.spread.items()]
        return out


class Totals:
    """The numbers of all processes, the ended ones included."""

    def __init__(self) -> None:
        self._ended: dict[tuple[str, Labels], list[float]] = {}
        self._last: dict[int, dict[tuple[str, Labels], list[float]]] = {}

    def heard(self, process: int, samples: Iterable[object]) -> None:
        """What one process counts now."""
        now: dict[tuple[str, Labels], list[float]] = {}
        for sample in samples:
            assert isinstance(sample, list)
            name, labels, value = sample
            now[(str(name), tuple(map(str, labels)))] = list(value) if isinstance(value, list) else [float(value)]
        self._last[process] = now

    def ended(self, process: int) -> None:
        """A process is gone: its counters stay, its gauges do not."""
        for key, cells in self._last.pop(process, {}).items():
            if FAMILIES[key[0]][0] != "gauge":
                _add(self._ended, key, cells)

    def text(self, more: Iterable[tuple[str, str, str, float]]) -> bytes:
        """The Prometheus exposition. `more` are the supervisor's own: name, type, help, value."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(_Collector(self._sum(), tuple(more)))  # type: ignore[arg-type]  # it has what is asked
        return generate_latest(registry)

    def _sum(self) -> dict[tuple[str, Labels], list[float]]:
        total: dict[tuple[str, Labels], list[float]] = {}
        for part in (self._ended, *self._last.values()):
            for key, cells in part.items():
                _add(total, key, cells)
        return total


def _add(to: dict[tuple[str, Labels], list[float]], key: tuple[str, Labels], cells: list[float]) -> None:
    before = to.get(key)
    to[key] = list(cells) if before is None else [a + b for a, b in zip(before, cells, strict=True)]


class _Collector:
    """What prometheus_client asks. It is no subclass of its Collector, so that nobody else has to load that."""

    def __init__(
        self, total: dict[tuple[str, Labels], list[float]], more: Iterable[tuple[str, str, str, float]]
    ) -> None:
        self._total, self._more = total, more

    def collect(self) -> Iterable[object]:
        """All families."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        for name, (kind, help_, labels) in FAMILIES.items():
            found = sorted((key[1], cells) for key, cells in self._total.items() if key[0] == name)
            if kind == "histogram":
                spread = HistogramMetricFamily(f"bartizan_{name}", help_, labels=labels)
                buckets = JUDGE_BUCKETS_S if name == "judge_seconds" else BUCKETS_S
                for values, cells in found:
                    spread.add_metric(values, _cumulated(buckets, cells), sum_value=cells[-2])
                yield spread
                continue
            family = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(
                f"bartizan_{name}", help_, labels=labels
            )
            for values, cells in found:
                family.add_metric(values, cells[0])
            yield family
        for name, kind, help_, value in self._more:
            made = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            yield made(f"bartizan_{name}", help_, value=value)


def _cumulated(buckets: tuple[float, ...], cells: list[float]) -> list[tuple[str, float]]:
    out, so_far = [], 0.0
    for edge, count in zip((*map(str, buckets), "+Inf"), cells, strict=False):
        so_far += count
        out.append((edge, so_far))
    return out
