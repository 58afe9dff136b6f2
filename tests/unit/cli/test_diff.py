"""What two revisions differ in, where a component is a ConfigMap."""

from typing import Any

from model_rollout.cli.diff import as_text
from model_rollout.cli.output import Style

Json = dict[str, Any]


def revision(number: int, **component: Any) -> Json:
    prompt = {"name": "prompt", "kind": "ConfigMap", "source": "prompt", "type": "Snapshot"}
    return {"spec": {"number": number, "components": [prompt | component]}}


def test_contents_are_compared_line_by_line() -> None:
    before = revision(1, value="aa", contents={"data": {"system.txt": "be kind\nbe brief"}})
    after = revision(2, value="bb", contents={"data": {"system.txt": "be evil\nbe brief"}})
    lines = as_text(before, after, Style())
    assert lines[2:] == [
        "@@ prompt: ConfigMap prompt @@",
        "@@ -1,3 +1,3 @@",
        " system.txt:",
        "-  be kind",
        "+  be evil",
        "   be brief",
    ]


def test_digests_are_shown_where_the_contents_cannot_be_read() -> None:
    lines = as_text(revision(1, value="aa"), revision(2, value="bb"), Style())
    assert lines[2:] == ["@@ prompt: ConfigMap prompt @@", "-aa", "+bb"]


def test_binary_contents_are_shown_in_short() -> None:
    before = revision(1, value="aa", contents={"binaryData": {"vector": "A" * 100}})
    after = revision(2, value="bb", contents={"binaryData": {"vector": "AAEC"}})
    lines = as_text(before, after, Style())
    assert lines[3:] == [f"-vector: base64 {'A' * 79}…", "+vector: base64 AAEC"]
