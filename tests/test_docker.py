"""The Dockerfile copies what the package needs, and the context holds that."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_what_is_copied_is_there_and_not_ignored():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    names = [name for words in copied for name in words.split()]
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert lines.index("*") < lines.index("!hsfuse")
    assert set(names) == kept
    assert all((ROOT / name).exists() for name in names)
    sources = re.findall(r"^    hsfuse\S* = (\S+)$", (ROOT / "setup.cfg").read_text(), re.M)
    assert {"hsfuse", "cli", "sensors"} <= set(sources) & set(names)


def test_the_program_runs_without_privileges():
    last = (ROOT / "Dockerfile").read_text().split("FROM ")[-1]
    assert re.search(r"^USER hsfuse$", last, re.M)
    assert 'ENTRYPOINT ["hsfuse"]' in last
