"""A Ray cluster inside a SLURM allocation, and the queue commands around it.

It launches a command that it is given, and knows nothing of what the command does.
"""
