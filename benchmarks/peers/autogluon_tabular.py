"""AutoGluon-tabular on a training and a test file, in an environment of its own.

    python benchmarks/peers/autogluon_tabular.py TRAIN TEST TARGET METRIC SECONDS PRESET FOLDER

Prints one line of JSON: its figure on the test rows, seconds of fitting, milliseconds for a row.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import pandas as pd
from autogluon.tabular import TabularPredictor

_ROWS, _WARM = 60, 5


def main() -> None:
    train, test, target, metric, seconds, preset, folder = sys.argv[1:]
    rows, asked = pd.read_csv(train), pd.read_csv(test)
    began = time.perf_counter()
    predictor = TabularPredictor(label=target, eval_metric=metric, path=folder, verbosity=0).fit(
        rows, presets=preset, time_limit=float(seconds), num_cpus=2, num_gpus=0
    )
    fitted = time.perf_counter() - began
    figure = predictor.evaluate(asked, silent=True)[metric]
    predictor.persist()
    taken = []
    for place in range(_ROWS + _WARM):
        one = asked.iloc[[place % len(asked)]].drop(columns=[target])
        start = time.perf_counter()
        predictor.predict(one)
        taken.append(1000 * (time.perf_counter() - start))
    told = {
        "figure": abs(figure),
        "seconds": fitted,
        "ms": statistics.median(taken[_WARM:]),
        "best": predictor.model_best,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
