"""One of the processes that ``launch`` starts: ``worker package.module:function FOLDER``."""

from __future__ import annotations

import json
import os
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volano.core.errors import VolanoError
from volano.core.events import Events

if TYPE_CHECKING:
    from typing import IO

    from volano.core.events import Event, Listener

__all__ = ["INTERRUPTED", "main"]

INTERRUPTED = 130


def main(target: str, folder: Path) -> int:
    """Run the target; the exit code. Events and an error go to standard output as JSON lines."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what others print is no event
    module, _, name = target.partition(":")
    is_first = os.environ["RANK"] == "0"
    log = Events((_teller(lines),) if is_first else ())
    try:
        getattr(import_module(module), name)(folder, log)
    except VolanoError as error:
        lines.write(json.dumps({"error": _told(error)}) + "\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _die_with_parent() -> None:
    """Standard input ends when the process that started this one does, however it ends."""
    sys.stdin.read()
    os._exit(1)


def _teller(lines: IO[str]) -> Listener:
    def tell(event: Event) -> None:
        lines.write(json.dumps(event.to_dict()) + "\n")

    return tell


def _told(error: VolanoError) -> dict[str, Any]:
    """An error with its values beside its texts, so that it can be said in any language."""
    what, fix = error._texts
    values = {name: _plain(value) for name, value in error._values.items()}
    told = {"what": what, "where": str(error.where), "fix": fix, "values": values}
    return {"kind": type(error).__name__, **told}


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
