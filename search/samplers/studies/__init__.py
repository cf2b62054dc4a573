"""Optuna's samplers, asked for rounds; and the sampler of rounds, for studies of Optuna's."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
