"""shoal searches the hyperparameters of fits: write one fit, run thousands per device.

import shoal
result = shoal.run("cubic-sine", space={"lr": "1e-8:1e-4:log"}, trials=1024, seed=0)
result.best; result.trials; result.curves; result.study()
shoal.load("runs/mine")
shoal.fit("cubic-sine", lr=1e-6).curve
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Return something of the face, whose modules are imported when they are needed: torch and
    pandas take seconds, and ``shoal.__main__`` is to begin before anything else is imported."""
    import lazy_loader

    face = globals()
    names = "__getattr__", "__dir__", "__all__"
    face.update(zip(names, lazy_loader.attach_stub(__name__, __file__), strict=True))
    return face[name] if name in face else face["__getattr__"](name)


def __dir__() -> list[str]:
    """Names of the face."""
    return list(__getattr__("__all__"))
