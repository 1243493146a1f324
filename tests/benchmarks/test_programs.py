"""The C programs are compiled when they are missing or old, and not otherwise."""

import os
from pathlib import Path

from benchmarks.programs import SOURCES, build
from benchmarks.venvs import folder


def test_programs_are_compiled_once(tmp_path: Path) -> None:
    first = build(tmp_path).loadgen.stat()
    again = build(tmp_path).loadgen.stat()
    assert again.st_ino == first.st_ino
    assert sorted(each.name for each in tmp_path.iterdir()) == ["loadgen", "upstream"]


def test_a_program_older_than_its_source_is_compiled_again(tmp_path: Path) -> None:
    programs = build(tmp_path)
    before = programs.loadgen.stat().st_ino
    oldest = min(source.stat().st_mtime for source in SOURCES.iterdir())
    os.utime(programs.loadgen, (oldest - 10, oldest - 10))
    assert build(tmp_path).loadgen.stat().st_ino != before


def test_an_environment_is_named_after_what_is_pinned() -> None:
    assert folder(Path("/c"), "litellm[proxy]==1.2.3") == Path("/c/litellm-1.2.3")
    assert folder(Path("/c"), "vllm-router==0.1.17") == Path("/c/vllm-router-0.1.17")
