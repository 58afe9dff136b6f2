"""All rules together.

A new rule is a method in `people.py` or `failures.py`; a new invariant is a `Watcher`, named in
`base.watchers`.
"""

from unit.decision.machine.failures import Failures
from unit.decision.machine.people import People


class Guarding(People, Failures):
    """Whatever happens, in whatever order."""
