"""Everything around the learning: configuration, presets, the run's folder, checkpoints, logs, evaluation."""

import os

# Before torch loads OpenMP: its threads wait for one another in a loop for some 0.1 ms, not for 20, and then sleep.
# Beside another busy process they would spin most of the time, each for one that has no core (benchmarks/README.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
