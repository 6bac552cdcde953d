"""Tests, in folders that mirror the packages."""

import os

# One thread for each process of the tests: they run beside each other, and the threads of torch
# and numpy spin while they wait (on two busy cores two threads took six times the CPU time of one).
# Here, because it is read when numpy is loaded.
os.environ |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
