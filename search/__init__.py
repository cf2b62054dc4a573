"""The driver of a search: Ray Tune runs it, Optuna samples it, pandas reads it."""

if __name__ != "shoal.search":  # a checkout has the folder of this name at its top
    raise ImportError("this folder is a part of shoal: import shoal.search")
