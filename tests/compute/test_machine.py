from __future__ import annotations

import json

from volano.compute import describe_machine, peak_bytes


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
