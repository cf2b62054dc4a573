"""A function that takes 50 ms of a core, as peers/course.py has it in the form spin."""

import math
import time

SECONDS = 0.05


def train(lr):
    until = time.thread_time() + SECONDS
    while time.thread_time() < until:
        pass
    return (math.log10(lr) + 6) ** 2


train.space = {"lr": "1e-8:1e-4:log"}
