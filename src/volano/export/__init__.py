"""Export: a bundle in, a bundle out, in another form; parity measured between them.

In: a native Model with its reference scores. Out: the Model that is served. Never: a form that
answers otherwise than the model that was trained.
"""

from volano.export.config import ExportConfig

__all__ = ["ExportConfig"]
