"""A Secret goes only where its owner said, whatever a URL looks like."""

import pytest

from model_rollout.engine.hosts import Target, allows, target_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://prometheus.monitoring:9090", Target("https", "prometheus.monitoring", 9090)),
        ("https://Prometheus.Example./api/prom", Target("https", "prometheus.example", 443)),
        ("http://10.0.0.1", Target("http", "10.0.0.1", 80)),
        ("https://[fd00::1]:9090/", Target("https", "[fd00::1]", 9090)),
    ],
)
def test_target(url: str, expected: Target) -> None:
    assert target_of(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "https://good@evil",
        "https://good:pass@evil",
        "https://good\\@evil",
        "https://evil\\.good",
        "https://good#@evil",
        "https://good?@evil",
        "https://good%2f@evil",
        "https://good\n.evil",
        "https://good\t/",
        "https://go od",
        "https://good/ä",
        "https://good/\r\nHost: evil",
        "https://ｇｏｏｄ",
        "https://good:80:90",
        "https://good:x",
        "https://",
        "https:good",
        "//good",
        "ftp://good",
        "HTTPS://good",
        "https://[fd00::1",
    ],
)
def test_no_target_is_certain(url: str) -> None:
    assert target_of(url) is None


@pytest.mark.parametrize(
    ("annotation", "url", "expected"),
    [
        ("good", "https://good", True),
        ("good", "https://good:9090/prom", True),
        ("good:9090", "https://good:9090", True),
        ("good:443", "https://good", True),
        ("other, GOOD.:9090", "https://good:9090", True),
        ("https://good", "https://good", True),
        ("https://good:9090/", "https://good:9090", True),
        ("http://good:9090", "http://good:9090", True),
        ("http://good", "http://good", True),
        ("[fd00::1]:9090", "https://[FD00::1]:9090", True),
        ("", "https://good", False),
        (",", "https://good", False),
        ("good:9090", "https://good", False),
        ("good:9090", "https://good:90", False),
        ("https://good", "https://good:9090", False),
        ("good", "http://good", False),
        ("good:80", "http://good", False),
        ("http://good", "http://good:9090", False),
        ("http://good:9090", "https://good:9090", False),
        ("good", "https://good.evil", False),
        ("good", "https://evil.good", False),
        ("good", "https://goo", False),
        ("*", "https://good", False),
        ("*.good", "https://a.good", False),
        ("https://evil@good", "https://good", False),
        ("good evil", "https://good", False),
    ],
)
def test_allows(annotation: str, url: str, expected: bool) -> None:
    target = target_of(url)
    assert target is not None
    assert allows(annotation, target) is expected


@pytest.mark.parametrize("url", ["https://good", "https://good:9090", "http://good:9090"])
def test_the_entry_that_a_target_suggests_allows_it(url: str) -> None:
    target = target_of(url)
    assert target is not None
    assert allows(target.entry, target)
