"""One of several processes that answer at the same address; ``volano serve`` starts them.

What to do comes as one line of JSON on the standard input, keys and all; the socket is inherited.
The end of the standard input says that the parent is gone.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from volano.app.cli.screen import progress as show_progress

if TYPE_CHECKING:
    from volano.serve import PredictionService
    from volano.serve.server import Server

__all__ = ["main"]


def main(told: str) -> int:
    """Answer until told to stop."""
    from volano.app.serving import answer_here
    from volano.loop.project import Project

    given = json.loads(told)
    bound = socket.socket(fileno=given["socket"])
    with Project.open(given["project"], set=given["set"], events=show_progress()) as project:
        answer_here(
            project,
            bound,
            tuple(given["keys"]),
            board=Path(given["board"]),
            worker=given["worker"],
            started=_stop_with_parent,
        )
    return 0


def _stop_with_parent(server: Server, service: PredictionService) -> None:
    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        server.stop()

    threading.Thread(target=wait, name="parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.stdin.readline()))
