"""Counts what the operator writes to the API server while nothing changes.

python tests/bench/quiet_writes.py --minutes 10
"""

import argparse
import sys
import time

from demo.environment import LocalEnvironment
from demo.steps import step_1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    minutes = parser.parse_args().minutes
    with LocalEnvironment() as env:
        print(step_1(env), flush=True)
        before, versions, checks = _writes(env), _versions(env), env.operator.checks()
        time.sleep(minutes * 60)
        writes = {k: v - before.get(k, 0.0) for k, v in _writes(env).items()}
        made = env.operator.checks() - checks
        unchanged = _versions(env) == versions
    others = {k: v for k, v in writes.items() if v and "leases" not in k}
    print(f"{minutes:g} quiet minutes, {made:.0f} checks:")
    print(
        f"  renewals of the operator's own Lease: {sum(writes.values()) - sum(others.values()):.0f}"
    )
    print(f"  other writes: {sum(others.values()):.0f} {others or ''}")
    print(f"  resourceVersions of ModelRollout, ModelRevisions, Deployment unchanged: {unchanged}")
    return 0 if not others and unchanged else 1


def _writes(env: LocalEnvironment) -> dict[str, float]:
    return env.operator.counter("modelrollout_api_writes_total")


def _versions(env: LocalEnvironment) -> str:
    path = "jsonpath={range .items[*]}{.kind}/{.metadata.name}={.metadata.resourceVersion} {end}"
    return env.kubectl("get", "mro,mrev,deployments", "--output", path)


if __name__ == "__main__":
    sys.exit(main())
