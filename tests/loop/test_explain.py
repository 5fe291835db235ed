from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from volano.core.errors import UnknownNameError
from volano.loop.explain import explain

if TYPE_CHECKING:
    from volano.loop.project import Project


def test_every_setting_is_explained_with_its_reason(turned: Project) -> None:
    rows = {row["key"]: row for row in explain(turned, "")}
    assert rows["train.folds"]["value"] == 3
    assert rows["train.folds"]["why"] == "effort is quick"
    assert rows["train (plan)"]["value"] == "linear, bayes, blend"
    assert rows["data.fields.text"]["why"] == "volano.yaml or --set"
    assert rows["data.sources.0.path"]["value"] == "rows.csv"
    assert rows["gate.margin"]["why"] == "default"
    assert {row["key"].partition(".")[0] for row in explain(turned, "gate")} == {"gate"}
    with pytest.raises(UnknownNameError) as told:
        explain(turned, "gat")
    assert told.value.fix == "did you mean 'gate'?"
