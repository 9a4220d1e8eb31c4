"""Tasks for trying the platform out and for its tests; registered only when GRISTMILL_DEMO_TASKS is on."""
