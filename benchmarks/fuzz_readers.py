"""Coverage-guided fuzzing of the file readers: any bytes give rows or a DataError, in time.

``python benchmarks/fuzz_readers.py --seconds 600`` needs ``pip install 'volano[fuzz]'`` (Linux).
An input that breaks a rule is written to ``crash-*`` in the folder it is run in.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

ENDINGS = (".csv", ".tsv", ".jsonl", ".csv.gz", ".parquet", ".xlsx", ".txt")
SLOWEST_SECONDS, MOST_MEGABYTES, LONGEST_INPUT = 10, 2048, 16_384
SEEDS = (
    b'\x00text,label\n"a, b",x\nbad,"y\nplain,z\n',
    b"\x01text\tlabel\nhi\ta\n",
    b'\x02{"text": "hi", "n": [1, 2.5, {"a": null}]}\n{"text": 1}\n',
    "\x00text,label\n我的卡,物流\n密码,账户\n".encode("gb18030"),
    b"\x00" + "text,label\nhi,a\n".encode("utf-16"),
    b"\x03\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    b"\x04PAR1\x15\x04\x15",
)


def fuzz(arguments: list[str]) -> None:
    """Run libFuzzer in this process; it ends the process itself."""
    import atheris

    with atheris.instrument_imports(include=["volano.core.encoding", "volano.data.sources"]):
        from volano.core.errors import DataError
        from volano.data.config import SourceConfig
        from volano.data.sources import read_source

    folder = Path(tempfile.mkdtemp(prefix="volano-fuzz-"))

    def one_file(content: bytes) -> None:
        if not content:
            return
        path = folder / f"input{ENDINGS[content[0] % len(ENDINGS)]}"
        path.write_bytes(content[1:])
        began = time.monotonic()
        try:
            for batch in read_source(path, SourceConfig(path=path.name)):
                assert len(batch.lines) == batch.table.num_rows
                assert all(row.reason for row in batch.broken)
        except DataError as error:
            assert error.what
            assert error.fix
        assert time.monotonic() - began < SLOWEST_SECONDS, "too slow for so few bytes"

    atheris.Setup([sys.argv[0], *arguments], one_file)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    if find_spec("atheris") is None:
        print("nothing is measured: atheris is not installed: pip install 'volano[fuzz]' (Linux)")
        return
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [
            f"-max_total_time={asked.seconds}",
            f"-rss_limit_mb={MOST_MEGABYTES}",
            f"-max_len={LONGEST_INPUT}",
            f"-timeout={SLOWEST_SECONDS}",
        ]
        code = f"import fuzz_readers; fuzz_readers.fuzz({[*limits, corpus]!r})"
        command = [sys.executable, "-c", code]
        found = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": found},
            capture_output=True,
            text=True,
            check=False,
        )
        num_inputs = len(list(Path(corpus).iterdir()))
    print(done.stderr[-1500:])
    if done.returncode:
        raise SystemExit(f"a rule was broken (exit {done.returncode}): see crash-* here")
    print(f"nothing found in {asked.seconds} s; {num_inputs} inputs reached something new")


if __name__ == "__main__":
    main()
