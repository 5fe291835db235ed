from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from volano.compute import describe_machine, peak_bytes
from volano.compute.machine import SHARE, usable_cores

if TYPE_CHECKING:
    from pathlib import Path


def test_the_machine_is_described_in_plain_values() -> None:
    machine = describe_machine()
    assert machine.cores >= 1
    assert machine.memory_bytes >= 0
    assert json.loads(json.dumps(machine.to_dict()))["python"].count(".") == 2


def test_a_peak_only_grows() -> None:
    before = peak_bytes()
    block = bytearray(8_000_000)
    assert peak_bytes() >= before >= 0
    assert len(block) == 8_000_000


def system(root: Path, own: str, limits: dict[str, str]) -> tuple[Path, Path]:
    """Control groups as the kernel shows them: the groups, and which are this process's."""
    groups = root / "cgroup"
    groups.mkdir(parents=True)
    (root / "own").write_text(own, "ascii")
    for name, limit in limits.items():
        path = groups / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{limit}\n", "ascii")
    return groups, root / "own"


V1 = "12:pids:/docker/ab\n4:cpu,cpuacct:/docker/ab\n"


@pytest.mark.parametrize(
    ("own", "limits"),
    [
        ("0::/\n", {"cpu.max": "50000 100000"}),
        ("0::/\n", {"cpu.max": "100000 100000"}),
        ("0::/system/volano\n", {"system/volano/cpu.max": "1000 100000"}),
        ("0::/system/volano\n", {"system/cpu.max": "9 10", "system/volano/cpu.max": "max 10"}),
        (V1, {"cpu/cpu.cfs_quota_us": "70000", "cpu/cpu.cfs_period_us": "100000"}),
        (V1, {"cpu/docker/ab/cpu.cfs_quota_us": "70000", "cpu/docker/ab/cpu.cfs_period_us": "9e4"}),
        ("nothing that is known\n", {"cpu.max": "50000 100000"}),
    ],
)  # fmt: skip
def test_a_quota_leaves_its_cores_rounded_up(
    own: str, limits: dict[str, str], tmp_path: Path
) -> None:
    assert usable_cores(*system(tmp_path, own, limits)) == 1


@pytest.mark.parametrize(
    ("own", "limits"),
    [
        ("0::/\n", {}),
        ("0::/\n", {"cpu.max": "max 100000"}),
        ("0::/\n", {"cpu.max": "100000000 100000"}),
        ("0::/\n", {"cpu.max": "what is this"}),
        ("0::/other\n", {"one/cpu.max": "50000 100000"}),
        (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}),
    ],
)
def test_without_a_quota_all_cores_are_used(
    own: str, limits: dict[str, str], tmp_path: Path
) -> None:
    nothing = system(tmp_path / "nothing", "", {})
    assert usable_cores(*system(tmp_path / "found", own, limits)) == usable_cores(*nothing)


def test_a_process_among_several_keeps_to_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHARE, "1")
    assert usable_cores() == 1
    monkeypatch.setenv(SHARE, "100000")
    assert usable_cores() < 100000
