"""shoal searches the hyperparameters of fits: write one fit, run thousands per device.

import shoal
result = shoal.run("cubic-sine", space={"lr": "1e-8:1e-4:log"}, trials=1024, seed=0)
result.best; result.trials; result.curves; result.study()
shoal.load("runs/mine")
shoal.fit("cubic-sine", lr=1e-6).curve
"""

import lazy_loader  # torch and pandas take seconds to import: not before they are needed

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
