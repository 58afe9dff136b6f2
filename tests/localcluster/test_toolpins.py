"""Versions come from the go.mod files, and a binary of the machine is used only if it fits them."""

import shutil
from pathlib import Path

import pytest

from localcluster import toolpins
from localcluster.toolpins import (
    GROUPS,
    Version,
    binary_name,
    group_of,
    parse_version,
    pinned_version,
    prometheus_release,
    tool_packages,
    version_fits,
)

GO_MOD = """module example.test/tools

go 1.26.0

tool (
	example.test/kube/cmd/kubectl
	example.test/kube/cmd/kube-apiserver
)

tool example.test/db/server/v3

require (
	example.test/kube v1.36.3 // indirect
	example.test/kube/cmd/other v0.1.0 // indirect
	example.test/db/server/v3 v3.6.16 // indirect
)
"""


@pytest.mark.parametrize(
    ("binary", "found", "pin", "fits"),
    [
        ("kube-apiserver", "v1.36.0", "v1.36.3", True),
        ("kube-apiserver", "v1.35.9", "v1.36.3", False),
        ("kube-controller-manager", "1.37.0", "v1.36.3", False),
        ("kubectl", "1.35.0", "v1.36.3", True),
        ("kubectl", "1.37.2", "v1.36.3", True),
        ("kubectl", "1.32.4", "v1.36.3", False),
        ("kubectl", "2.36.3", "v1.36.3", False),
        ("etcd", "3.5.0", "v3.6.16", True),
        ("etcd", "3.4.34", "v3.6.16", False),
        ("kwok", "0.7.0", "v0.8.0", True),
        ("kwokctl", "0.6.1", "v0.8.0", False),
        ("prometheus", "3.0.0", "v0.305.2", True),
        ("promtool", "2.55.1", "v0.305.2", False),
    ],
)
def test_which_versions_fit(binary: str, found: str, pin: str, fits: bool) -> None:
    assert version_fits(binary, parse_version(found), parse_version(pin)) is fits


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("Kubernetes v1.36.3", (1, 36, 3)),
        ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", (1, 32, 4)),
        ("etcd Version: 3.6.16\nGit SHA: Not provided", (3, 6, 16)),
        ("kwokctl version v0.8.0 go1.26.8 (linux/amd64)", (0, 8, 0)),
        ("go1.26", (1, 26, 0)),
    ],
)
def test_version_is_read_from_what_tools_print(output: str, version: Version) -> None:
    assert parse_version(output) == version


def test_output_without_a_version_is_an_error() -> None:
    with pytest.raises(ValueError, match="no version in 'unknown command'"):
        parse_version("unknown command")


def test_tools_and_their_versions_are_read_from_go_mod() -> None:
    assert tool_packages(GO_MOD) == [
        "example.test/db/server/v3",
        "example.test/kube/cmd/kubectl",
        "example.test/kube/cmd/kube-apiserver",
    ]
    assert pinned_version(GO_MOD, "example.test/kube/cmd/kubectl") == "v1.36.3"
    assert pinned_version(GO_MOD, "example.test/db/server/v3") == "v3.6.16"
    with pytest.raises(ValueError, match=r"no module for the tool example\.test/none"):
        pinned_version(GO_MOD, "example.test/none")


@pytest.mark.parametrize(
    ("package", "name"),
    [("k8s.io/kubernetes/cmd/kubectl", "kubectl"), ("go.etcd.io/etcd/server/v3", "etcd")],
)
def test_binary_names(package: str, name: str) -> None:
    assert binary_name(package) == name


def test_prometheus_module_versions_name_a_release() -> None:
    assert prometheus_release("v0.305.2") == "3.5.2"


def test_the_real_groups_hold_every_binary_once() -> None:
    binaries = [binary for group in GROUPS for binary in group.binaries]
    kubernetes = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"]
    expected = ["etcd", *kubernetes, "kwok", "kwokctl", "prometheus", "promtool"]
    assert sorted(binaries) == sorted(expected)
    assert "gitVersion=v1." in group_of("kubectl").linker_flags


def test_unknown_tool_is_an_error() -> None:
    with pytest.raises(KeyError, match="no-such-tool"):
        group_of("no-such-tool")


def test_cache_key_follows_go_mod_and_go_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = group_of("etcd")
    shutil.copytree(group.folder, tmp_path / "etcd")
    before = group.cache_key
    monkeypatch.setattr(toolpins, "TOOLS_FOLDER", tmp_path)
    assert group.cache_key == before  # by content, not by place: checkouts share what they built
    with (tmp_path / "etcd" / "go.sum").open("a") as go_sum:
        go_sum.write("changed\n")
    assert group.cache_key != before
    assert group.cache_key.startswith("etcd-")
    assert len(group.cache_key) == len("etcd-") + 12
