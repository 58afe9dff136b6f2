"""A real Prometheus with a history that a test made up, written as blocks by promtool."""

import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from localcluster.prometheus import Prometheus
from localcluster.tools import tool

Samples = Iterable[tuple[float, float]]
"""Times in seconds since the epoch, ascending, and values."""


@dataclass
class Recording:
    """Series of a history, as they would have been scraped."""

    _counters: dict[str, list[tuple[str, Samples]]] = field(default_factory=dict)
    _gauges: dict[str, list[tuple[str, Samples]]] = field(default_factory=dict)

    def counter(self, name: str, samples: Samples, **labels: str) -> None:
        """Add a series of a counter; its name ends in `_total`."""
        self._counters.setdefault(name, []).append((_labels(labels), samples))

    def gauge(self, name: str, samples: Samples, **labels: str) -> None:
        """Add a series of a gauge."""
        self._gauges.setdefault(name, []).append((_labels(labels), samples))

    def write(self, file: Path) -> None:
        """Write all of it in the OpenMetrics format."""
        with file.open("w") as out:
            for name, series in self._counters.items():
                out.write(f"# TYPE {name.removesuffix('_total')} counter\n")
                _write(out.write, name, series)
            for name, series in self._gauges.items():
                out.write(f"# TYPE {name} gauge\n")
                _write(out.write, name, series)
            out.write("# EOF\n")


def _write(write: Callable[[str], object], name: str, series: list[tuple[str, Samples]]) -> None:
    for labels, samples in series:
        prefix = f"{name}{labels} "
        write("".join(f"{prefix}{value:.10g} {time:.3f}\n" for time, value in samples))


def _labels(labels: dict[str, str]) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


@contextmanager
def recorded(recording: Recording, folder: Path) -> Iterator[Prometheus]:
    """Start a Prometheus that remembers this; `folder` takes the text on its way."""
    text = folder / "history.txt"
    recording.write(text)
    # What is older than the retention would be deleted when the server starts.
    with Prometheus(flags=["--storage.tsdb.retention.time=10y"]) as prometheus:
        prometheus.stop()
        create_blocks(text, prometheus.log.parent / "data")
        text.unlink()
        prometheus.start()
        yield prometheus


def create_blocks(text: Path, data: Path) -> None:
    """Turn OpenMetrics text into blocks in the data folder of a Prometheus that does not run."""
    # Long blocks: hundreds of short ones take longer to open than to read.
    command = [tool("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=240h"]
    subprocess.run([*command, "openmetrics", text, data], check=True, capture_output=True)
