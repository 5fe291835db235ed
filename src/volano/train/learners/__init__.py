"""Ways to train, one file a family; each gives the same Fitted."""
