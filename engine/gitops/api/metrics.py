"""What the agent counts, in Prometheus' text format: read off its states at each scrape, so nothing goes stale."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from engine.gitops.loop.agent import Agent
from engine.gitops.state.project import Health, Sync

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class States(Collector):
    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def collect(self) -> Iterable[Metric]:
        yield from self.projects()
        yield from self.sources()
        events = CounterMetricFamily("rorqual_events", "Events since the agent's start", labels=["kind"])
        for kind, count in sorted(self.agent.desk.bus.counts.items()):
            events.add_metric([kind], count)
        yield events
        looks = CounterMetricFamily("rorqual_looks", "Looks at projects since the agent's start")
        looks.add_metric([], self.agent.looks)
        yield looks
        seconds = CounterMetricFamily("rorqual_look_seconds", "Time that these looks took together")
        seconds.add_metric([], self.agent.look_seconds)
        yield seconds
        queue = GaugeMetricFamily("rorqual_projects_at_work", "Projects that are looked at just now")
        queue.add_metric([], len(self.agent.queue.busy))
        yield queue

    def projects(self) -> Iterable[Metric]:
        info = GaugeMetricFamily(
            "rorqual_project_info", "1 for each project", labels=["project", "source", "sync", "health", "waiting"]
        )
        synced = GaugeMetricFamily("rorqual_project_synced", "1: as its source says", labels=["project"])
        healthy = GaugeMetricFamily("rorqual_project_healthy", "1: everything runs and is healthy", labels=["project"])
        at = GaugeMetricFamily("rorqual_project_synced_timestamp_seconds", "Of the last release", labels=["project"])
        for key, state in sorted(self.agent.desk.states.items()):
            words = [key, state.source, state.sync.value, state.health.value, state.waiting.value]
            info.add_metric(words, 1)
            synced.add_metric([key], state.sync is Sync.SYNCED)
            healthy.add_metric([key], state.health is Health.HEALTHY)
            at.add_metric([key], state.synced_at)
        return info, synced, healthy, at

    def sources(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("rorqual_source_up", "1: the last look at it went well", labels=["source"])
        for name, following in sorted(self.agent.followings.items()):
            up.add_metric([name], not following.error and following.checked_at > 0)
        return (up,)


def exposition(agent: Agent) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(States(agent))
    # memory, descriptors, start: as every exporter has them
    ProcessCollector(registry=registry)
    return generate_latest(registry).decode()
