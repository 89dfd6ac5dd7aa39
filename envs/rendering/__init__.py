"""Images of environments. Where none are made, only `cameras`, `frames`, `gl`, `simulation`, `watchdog` are loaded."""
