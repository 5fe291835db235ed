"""``python -m volano`` is ``volano``."""

from volano.app.cli.main import run

run()
