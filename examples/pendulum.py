"""A program for shoal run --exec: how far a damped pendulum is from one that was observed."""

import argparse
import math


def swing(damping, length, steps=200, dt=0.02):
    """The angle after each step, by the semi-implicit Euler method."""
    angle, speed = 1.0, 0.0
    for _ in range(steps):
        speed += dt * (-9.81 / length * math.sin(angle) - damping * speed)
        angle += dt * speed
        yield angle


parser = argparse.ArgumentParser()
parser.add_argument("--damping", type=float)
parser.add_argument("--length", type=float)
given = parser.parse_args()

observed = swing(damping=0.3, length=1.2)
pairs = zip(swing(given.damping, given.length), observed, strict=True)
print("error:", math.fsum((a - b) ** 2 for a, b in pairs))
