"""One visible training loop, in plain PyTorch on Accelerate, for every neural learner.

In: a module, batches, a loss. Out: the module at its best, and its curve. It knows nothing of
texts, labels or encoders, and imports torch only where it runs.
"""
