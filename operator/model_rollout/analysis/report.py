"""What a check says about one metric: the answer that decisions and people read."""

from dataclasses import dataclass
from enum import StrEnum

from model_rollout.analysis.measurement import State
from model_rollout.api.metric import MetricAction, OnNoData


class MetricClass(StrEnum):
    """What the evidence of a metric says so far."""

    CLEAR = "Clear"
    SUSPECT = "Suspect"
    BREACHED = "Breached"


NO_DATA = "NoData"
"""Why a metric is unavailable that was without data for `noDataAfter`."""


@dataclass(frozen=True, slots=True)
class MetricReport:
    """One metric after one check."""

    name: str
    action: MetricAction
    state: State
    metric_class: MetricClass
    value: float | None
    least: float | None
    greatest: float | None
    checks: int
    """Checks that gave a value, or slots with outcomes."""
    limit: str
    message: str
    breached: bool
    """The rule is met and the newest measurement is bad: enough to act."""
    clear_for: float
    """How long, in seconds, the metric was clear by what was measured; 0 without `enough`."""
    unavailable: str
    """Why the metric cannot be judged, as one word; empty when it can."""
    answered: bool
    """True when this check gave a value."""
    patience: float
    """The time that the metric needs to say anything, in seconds: max(for, 2 x every), and of counts
    minChecks x every."""
    discard: float
    """For so many seconds after a revision begins to serve, samples do not count."""
    bad: float | None = None
    """Bad outcomes counted for this revision; None for values."""
    total: float | None = None
    """All outcomes counted for this revision; None for values."""
    on_no_data: OnNoData = OnNoData.HOLD
    query: str = ""
    """What Prometheus is asked, for people and for records."""
    sampled: float | None = None
    """When the newest measurement was made; None where that is not known."""
    enough: bool = True
    """There was enough to say anything: of counts, minChecks slots; of values, one sample."""

    @property
    def has_data(self) -> bool:
        """Tell whether there is a measurement, neither stale nor silent: `.hasData`."""
        return self.answered

    @property
    def silent(self) -> bool:
        """Tell whether there were no data for `noDataAfter`."""
        return self.unavailable == NO_DATA

    @property
    def silence_counts(self) -> bool:
        """Tell whether the metric counts as breached because it is silent."""
        return self.silent and self.on_no_data is OnNoData.ROLLBACK

    @property
    def silence_is_told(self) -> bool:
        """Tell whether silence is told and holds nothing up."""
        return self.silent and self.on_no_data is OnNoData.NOTIFY

    @property
    def clear(self) -> bool:
        """Tell whether the metric is measured and Clear."""
        return self.state is State.GOOD and self.metric_class is MetricClass.CLEAR

    @property
    def suspected(self) -> bool:
        """Tell whether there is evidence against the revision."""
        return self.metric_class is not MetricClass.CLEAR

    @property
    def suspicious(self) -> bool:
        """Tell whether the metric makes the ModelRollout Suspect."""
        return self.action is not MetricAction.NONE and self.suspected
