"""Values: where they stand, which of them are another in every run, and what they are called in this one."""
