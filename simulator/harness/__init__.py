"""The harness: runs unmodified clients and test-suites against a replay, and tells the truth about them."""
