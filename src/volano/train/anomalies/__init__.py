"""Training without labels, or with few: detectors, folds of all rows, and the budget of alerts."""
