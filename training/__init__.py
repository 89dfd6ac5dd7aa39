"""Everything around the learning: configuration, presets, the run's folder, checkpoints, logs, evaluation."""
