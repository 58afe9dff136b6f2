"""What each reason means for a person: why it is so, what would have to happen, what to type next.

In texts and commands `{name}`, `{workload}`, `{revision}`, `{target}` and the like stand for what
`explain` fills in. A command without a program is one of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """One reason, explained."""

    means: str
    then: str = ""
    """What would have to happen, or what happens next."""
    commands: tuple[str, ...] = ("status {name} --watch",)


_APPROVE = "approve {name} {transaction}"
_EDIT = "kubectl edit modelrollout {name}"
_ROLLBACK = "rollback {name}"
_HISTORY = "history {name}"
_RESUME = "resume {name}"
_STATUS = "status {name}"
_DEPLOYED = "kubectl get {kind} {workload} -o yaml"
_PODS = "{progress}"

_BY_ITSELF: Mapping[str, Advice] = {
    "Settling": Advice(
        "The pod template changed a moment ago, and deploys often change several things in a row.",
        "It becomes a revision once nothing changes for {settle}.",
    ),
    "RollingOut": Advice(
        "Not all pods are of this revision and available, so the old ones still answer and nothing "
        "is measured.",
        "It is measured once all pods are; without that within {deadline} it counts as failed, and "
        "is rolled back.",
        (_PODS,),
    ),
    "ScaledToZero": Advice(
        "Nothing serves, so there is nothing to measure; no clock runs.",
        "It goes on when the workload is scaled up.",
        ("{scale}",),
    ),
    "WorkloadPaused": Advice(
        "Its own spec keeps the workload from replacing its pods: spec.paused of a Deployment, "
        "updateStrategy OnDelete or a partition of a StatefulSet.",
        "It goes on when that is changed, or when its pods are deleted by hand.",
        ("kubectl edit {kind} {workload}",),
    ),
    "WarmingUp": Advice(
        "A model that has just started is slow and its caches are empty, so measurements are discarded.",
        "It is judged when {warmUp} have passed since it began to serve.",
    ),
    "Baking": Advice(
        "It is measured and nothing is wrong; it has not served and been measured for long enough to "
        "be called proven.",
        "A breach would lead to a rollback; without one it becomes Stable.",
    ),
    "Watching": Advice(
        "The revision is proven, and no metric says anything against it.",
        "A rollback begins when {when}.",
    ),
    "Suspicious": Advice(
        "A metric is outside of its bounds, or the evidence against the revision grows; there is not "
        "enough of it yet to tell a bad model from chance.",
        "A rollback begins when the evidence suffices; when it was chance, the suspicion goes away by "
        "itself. Whoever knows better does not have to wait.",
        ("status {name} --watch", _ROLLBACK),
    ),
    "Verifying": Advice(
        "A rollback was applied, and now it has to show that it helped.",
        "It has succeeded when every metric was clear for {verifyFor}.",
    ),
}

_DONE: Mapping[str, Advice] = {
    "MetricBreached": Advice("There is enough evidence that the revision is bad: it is left."),
    "MetricSilent": Advice(
        "A metric whose onNoData is Rollback had no data for noDataAfter: that counts as a breach."
    ),
    "RolloutFailed": Advice(
        "The revision did not come up within {deadline}, or its pods crash: it is left.",
        commands=("status {name} --watch", _PODS),
    ),
    "QuarantinedApplied": Advice(
        "A revision that must not serve was deployed again: it is reverted, at most {maxReverts} "
        "times.",
        "To accept it after all, clear its quarantine.",
        ("status {name} --watch", "unquarantine {name} {revision}"),
    ),
    "SwitchRollback": Advice("A person set the kill switch to Rollback."),
    "UnquarantineRefused": Advice(
        "The annotation that clears a quarantine names a revision that has none.",
        commands=(_STATUS,),
    ),
    "QuarantineAllowed": Advice(
        "A revision that was found bad was applied again, and quarantine.policy is Allow: it is "
        "measured again as any other.",
        commands=("status {name} --watch", _HISTORY),
    ),
    "ApprovalRefused": Advice(
        "The annotation that approves a rollback names none that waits, or something is on that no "
        "approval overrides; it was removed, and nothing began.",
        commands=(_STATUS,),
    ),
    "Succeeded": Advice(
        "The metrics are clear after the rollback.",
        "The fix of the model is another revision, and is accepted as any other.",
        (_HISTORY,),
    ),
}

_HELD: Mapping[str, Advice] = {
    "Paused": Advice("", "", (_RESUME,)),  # all of it is said by PAUSED
    "SwitchedBack": Advice(
        "The kill switch is Rollback, and there is one rollback for a flip.",
        "No automation acts until the switch is None.",
        (_RESUME,),
    ),
    "DryRun": Advice(
        "There is enough evidence for a rollback; rollback.mode is DryRun, so it only says so.",
        "It acts by itself with mode: Automatic. The kill switch rolls back in any mode.",
        (_ROLLBACK, _EDIT),
    ),
    "AwaitingApproval": Advice(
        "There is enough evidence for a rollback; rollback.mode is Manual, so it waits for a person.",
        "It begins when exactly this transaction is approved, whatever cooldown, budget and window "
        "say. When the metrics are clear again, it does not wait any more.",
        (_APPROVE, _HISTORY),
    ),
    "FleetFrozen": Advice(
        "There is enough evidence for a rollback, and too many other models would roll back at the "
        "same time: that is an outage of Prometheus, of the network or of the platform, which no "
        "rollback cures.",
        "It acts when the window has passed with fewer of them and the metrics are still breached. "
        "Whoever knows better approves this one.",
        ("status -A", _APPROVE),
    ),
    "OutsideWindow": Advice(
        "There is enough evidence against the revision, which has served well for longer than "
        "rollback.window ({window}): then the world has changed, and the revision before it would "
        "hardly do better.",
        "It never acts by itself on this revision. Train the model anew; or approve the rollback.",
        (_APPROVE, _HISTORY),
    ),
    "Cooldown": Advice(
        "There is enough evidence for a rollback, and the last one was begun less than {cooldown} "
        "ago.",
        "It acts when that is over and the metrics are still breached. An approval does not wait.",
        (_APPROVE, _HISTORY),
    ),
    "BudgetExhausted": Advice(
        "There is enough evidence for a rollback, and the budget of {budget} is used up: something "
        "keeps breaking that rollbacks do not cure.",
        "It acts when the window has moved on. An approval has no budget.",
        (_HISTORY, _APPROVE),
    ),
    "NoTarget": Advice(
        "The revision is bad, and there is none to go back to; nothing was changed.",
        "Deploy a revision that is better, or clear the quarantine of one that is good enough.",
        (_HISTORY,),
    ),
    "NothingToRestore": Advice(
        "The components are those of the target already: what changed is another part of the pod "
        "template, which a rollback does not write.",
        "Undo that change, or list its place in spec.components.",
        (_HISTORY, _EDIT),
    ),
    "Contested": Advice(
        "A revision that must not serve was reverted, and something deploys it again and again; two "
        "programs would fight forever.",
        "Correct the source that deploys it: revert the commit there, and where it is applied by the "
        "server, apply once with --force-conflicts. Or accept the revision.",
        ("unquarantine {name} {revision}",),
    ),
    "TargetTaken": Advice(
        "Two guards of one workload would undo each other, so the younger one does nothing.",
        "Delete one of the two.",
        ("kubectl get modelrollouts",),
    ),
    "WorkloadMissing": Advice(
        "There is nothing to guard.",
        "It begins when the workload is created.",
        ("kubectl get {kind}s",),
    ),
    "ComponentUnreadable": Advice(
        "A component has no single literal value in the workload, so there is nothing to compare or "
        "to restore.",
        "Correct spec.components, or the workload.",
        (_EDIT, _DEPLOYED),
    ),
    "SpecInvalid": Advice(
        "analysis.when cannot be understood, so no breach is judged.",
        "Correct it; lint tells the same about a file.",
        (_EDIT,),
    ),
    "Unrecorded": Advice(
        "Every rollback is recorded before it is made, and a RolloutRecord cannot be written.",
        "It goes on by itself once it can: correct the role, the policy or the object that is named "
        "above.",
        ("audit verify {name}", _STATUS),
    ),
    "Undecided": Advice(
        "A metric is breached, and analysis.when asks for another one that has no data. No data is "
        "not bad data.",
        "It is decided when that metric has data again.",
        (_STATUS,),
    ),
    "MetricsUnavailable": Advice(
        "A metric cannot be judged. No data is not bad data: nothing is rolled back for it, and "
        "nothing becomes Stable.",
        "It goes on when the metric has data again.",
        (_STATUS,),
    ),
    "PrometheusUnknown": Advice(
        "There is no Prometheus that can be asked.",
        "Write spec.prometheus, or start the operator with --prometheus-url.",
        (_EDIT,),
    ),
    "RollbackDidNotHelp": Advice(
        "The metrics were breached again after a rollback, so the version is not the cause; another "
        "rollback would not help either.",
        "Rollbacks are possible again when those metrics were clear once, or when another revision "
        "is deployed.",
        (_STATUS, _HISTORY),
    ),
    "RollbackStalled": Advice(
        "The restored revision does not come up, for no fault of its own: no room in the cluster, or a "
        "controller that is down.",
        "It goes on by itself when its pods come up.",
        (_PODS,),
    ),
    "Unverified": Advice(
        "It could not be shown in time that the rollback helped.",
        "Look at the metrics yourself; they are still watched.",
        (_STATUS,),
    ),
    "Refused": Advice(
        "The API server refuses the patch of the workload, so nothing was changed.",
        "Correct the policy or the role that is named above; then the kill switch tries again.",
        (_ROLLBACK,),
    ),
    "ConcurrentEdit": Advice(
        "Somebody changed the same place during the rollback: their change stands.",
        "It is a revision of its own, and is judged as one.",
    ),
    "Overtaken": Advice(
        "Something else was deployed before the rollback was verified: that stands.",
        "It is a revision of its own, and is judged as one.",
    ),
}

_UNKNOWN = Advice("", "", ("status {name} --watch",))
_UNSEEN = Advice(
    "The operator has not written a status yet.",
    "It does within seconds where it runs and watches this namespace.",
    ("kubectl get pods --all-namespaces", "status {name} --watch"),
)


PAUSED = Advice(
    "The kill switch is Pause: the model is measured, and nothing is written to the workload{because}.",
    "Automation acts again once the switch is None.",
    (_RESUME,),
)
"""Said first whatever else is the reason, as long as the switch is on."""


def advice_for(reason: str) -> Advice:
    """Return what to say about a reason; for one that is not known, hardly anything."""
    if not reason:
        return _UNSEEN
    return {**_BY_ITSELF, **_DONE, **_HELD}.get(reason, _UNKNOWN)


KNOWN_REASONS = frozenset({*_BY_ITSELF, *_DONE, *_HELD})
