"""Fuzzing: coverage-guided harnesses (atheris), and the test that runs each for some seconds."""
