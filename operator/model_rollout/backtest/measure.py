"""Measures from a recording: as the product does, one question after the other."""

from model_rollout.analysis.evidence import past, questions
from model_rollout.engine.measure import Measurer
from model_rollout.engine.memory import Memory
from model_rollout.ports.prometheus import Endpoint


class RecordedMeasurer(Measurer):
    """Asks without tasks: a recording answers at once, and tasks take a third of a replay's time.

    What is asked, and what follows from the answers, is the product's. A recording refuses no
    credentials and raises where there is no history, so neither has to be looked for.
    """

    async def measure(
        self, memory: Memory, endpoint: Endpoint, interval: float, now: float, *, counts: bool
    ) -> bool:
        """Ask for every metric once. Raises HistoryError."""
        for name, item in memory.measured.items():
            asked = questions(item.rule, item.evidence)
            answers = [await self._answer(endpoint, one, interval, now) for one in asked]
            if counts and (owed := past(item.rule, item.evidence, now)):
                await self._rebuild(item, owed, endpoint, now)
            memory.observe(name, tuple(answers), now, counts=counts)
        return False
