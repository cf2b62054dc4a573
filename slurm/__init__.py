"""A Ray cluster inside a SLURM allocation, and the queue's commands around it.

It launches a command that it is given, and knows nothing of what the command does.
"""

if __name__ != "shoal.slurm":  # a checkout has the folder of this name at its top
    raise ImportError("this folder is a part of shoal: import shoal.slurm")
