from model_rollout.adapters.telemetry import Telemetry


def test_metrics_have_the_documented_names() -> None:
    telemetry = Telemetry()
    telemetry.check_began(0.01)
    telemetry.check_ended("Good", 0.2)
    telemetry.query_ended("NoData")
    telemetry.decided("Rollback", "MetricBreached")
    telemetry.api_write("deployments", "patch")
    telemetry.api_error("Conflict")
    telemetry.guards(3)
    telemetry.leading(True)
    telemetry.fleet(6, True)
    telemetry.watch_event(1767225600.5)
    lines = telemetry.exposition().decode().splitlines()
    for expected in (
        'modelrollout_checks_total{result="Good"} 1.0',
        "modelrollout_check_duration_seconds_count 1.0",
        "modelrollout_check_lag_seconds_sum 0.01",
        'modelrollout_queries_total{state="NoData"} 1.0',
        'modelrollout_decisions_total{action="Rollback",reason="MetricBreached"} 1.0',
        'modelrollout_api_writes_total{resource="deployments",verb="patch"} 1.0',
        'modelrollout_api_errors_total{kind="Conflict"} 1.0',
        "modelrollout_guards 3.0",
        "modelrollout_leader 1.0",
        "modelrollout_fleet_rollbacks 6.0",
        "modelrollout_fleet_frozen 1.0",
        "modelrollout_last_watch_event_timestamp_seconds 1.7672256005e+09",
    ):
        assert expected in lines


def test_two_in_one_process_do_not_share_numbers() -> None:
    first, second = Telemetry(), Telemetry()
    first.guards(5)
    assert b"modelrollout_guards 0.0" in second.exposition()
