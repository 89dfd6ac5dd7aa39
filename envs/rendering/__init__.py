"""Images of Fetch tasks. Where none are rendered, only `cameras`, `gl` and `watchdog` are imported."""
