"""Fused kernels: a traced function lowered to loops over named axes, and written in C++.

trace ── lowering ──▶ loops ── resolving ──▶ loops, checked ── emission ──▶ C++ ──▶ kernel
"""
