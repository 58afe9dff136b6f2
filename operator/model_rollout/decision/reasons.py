"""The reasons that status, conditions, Events and logs use, each with what it means.

The troubleshooting page of the docs has a row for each; a reason that is not here is not used.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why the operator does, or does not do, something."""

    # Waiting for something that happens by itself.
    SETTLING = "Settling"  # the template changed; it counts once nothing changes for `settle`
    ROLLING_OUT = "RollingOut"  # not all pods are of the current revision and available
    SCALED_TO_ZERO = "ScaledToZero"  # nothing serves; bake and deadline stand still
    WORKLOAD_PAUSED = "WorkloadPaused"  # its own spec keeps its pods; deadline stands still
    WARMING_UP = "WarmingUp"  # measurements are discarded until `warmUp` is over
    BAKING = "Baking"  # measured and clear, not for long enough to be Stable
    WATCHING = "Watching"  # Stable, measured, nothing wrong
    SUSPICIOUS = "Suspicious"  # a metric is outside its bounds, not for long enough
    VERIFYING = "Verifying"  # a rollback was applied; does it help?

    # What was found and done.
    NEW_REVISION = "NewRevision"  # a settled change was recorded
    KNOWN_REVISION = "KnownRevision"  # a revision that was deployed before is back
    COMPONENTS_CHANGED = "ComponentsChanged"  # spec.components was edited; content recorded anew
    SERVES = "Serves"  # completely rolled out, no old pod left
    WARMED_UP = "WarmedUp"  # warm-up is over; the revision may serve as a target
    PROVEN = "Proven"  # baked without a breach: Stable
    METRIC_BREACHED = "MetricBreached"  # metrics are breached as analysis.when asks for
    METRIC_SILENT = "MetricSilent"  # no data for noDataAfter, and onNoData is Rollback
    ROLLOUT_FAILED = "RolloutFailed"  # not rolled out by `deadline`, or crash-looping
    QUARANTINED_APPLIED = "QuarantinedApplied"  # a quarantined revision was applied again
    SWITCH_FLIPPED = "SwitchFlipped"  # spec.killSwitch changed
    SWITCH_ROLLBACK = "SwitchRollback"  # killSwitch: Rollback
    UNQUARANTINED = "Unquarantined"  # a person cleared a quarantine
    UNQUARANTINE_REFUSED = "UnquarantineRefused"  # the annotation names no quarantined revision
    QUARANTINE_ALLOWED = "QuarantineAllowed"  # applied again, and quarantine.policy is Allow
    APPROVAL_REFUSED = "ApprovalRefused"  # the annotation names no transaction that waits

    # Holding: a person may have to act.
    PAUSED = "Paused"  # killSwitch: Pause
    DRY_RUN = "DryRun"  # rollback.mode: DryRun
    AWAITING_APPROVAL = "AwaitingApproval"  # rollback.mode: Manual
    FLEET_FROZEN = "FleetFrozen"  # many models would roll back at once: an outage, not a model
    OUTSIDE_WINDOW = "OutsideWindow"  # it has served for longer than rollback.window
    COOLDOWN = "Cooldown"  # too soon after the last rollback
    BUDGET_EXHAUSTED = "BudgetExhausted"  # too many rollbacks in the window
    NO_TARGET = "NoTarget"  # no revision to go back to
    NOTHING_TO_RESTORE = "NothingToRestore"  # only an observed part of the template changed
    SHARED_COMPONENT = "SharedComponent"  # another ModelRollout names the same ConfigMap
    CONTESTED = "Contested"  # somebody keeps applying a quarantined revision
    TARGET_TAKEN = "TargetTaken"  # an older ModelRollout guards the same workload
    WORKLOAD_MISSING = "WorkloadMissing"  # spec.targetRef does not exist
    COMPONENT_UNREADABLE = "ComponentUnreadable"  # a component has no single literal value
    SPEC_INVALID = "SpecInvalid"  # analysis.when cannot be compiled
    UNDECIDED = "Undecided"  # a breach, and analysis.when depends on a metric without data
    METRICS_UNAVAILABLE = "MetricsUnavailable"  # a metric cannot be judged
    PROMETHEUS_UNKNOWN = "PrometheusUnknown"  # neither spec.prometheus.url nor --prometheus-url
    UNRECORDED = "Unrecorded"  # a RolloutRecord cannot be written, so no workload is
    ROLLBACK_DID_NOT_HELP = "RollbackDidNotHelp"  # StillBreached latched
    SWITCHED_BACK = "SwitchedBack"  # killSwitch: Rollback is done; automation is off until None

    # How a transaction ends.
    APPLIED = "Applied"  # the workload holds the target's components
    SUCCEEDED = "Succeeded"  # the metrics are clear after the rollback
    STILL_BREACHED = "StillBreached"  # they are not: the version was not the cause
    UNVERIFIED = "Unverified"  # neither could be shown in time
    ROLLBACK_STALLED = "RollbackStalled"  # the target does not come up, for no fault of its own
    TARGET_UNUSABLE = "TargetUnusable"  # the target cannot come up (image, crash)
    TARGET_REFUSED = "TargetRefused"  # the target cannot be written; the next candidate is tried
    CONCURRENT_EDIT = "ConcurrentEdit"  # somebody wrote the same field; the human wins
    OVERTAKEN = "Overtaken"  # something else was deployed before verification ended
    REAPPLIED = "Reapplied"  # the bad revision was applied again before verification ended
    WORKLOAD_REPLACED = "WorkloadReplaced"  # deleted and created again: another UID
    REFUSED = "Refused"  # the API server refuses the patch (admission, RBAC)
    SUPERSEDED = "Superseded"  # the kill switch asked for another revision
