"""Everything around the learning: configuration, presets, the run's folder, checkpoints, logs, evaluation."""

import os

# Set before torch loads OpenMP: threads that wait for one another spin for about 0.1 ms, not 20, and then sleep. Beside
# another busy process they would mostly spin, waiting for a thread without a core (benchmarks/README.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
