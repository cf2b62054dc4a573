"""Figures of a search, as Plotly draws them, from its tables; Plotly itself is not needed here."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
