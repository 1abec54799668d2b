"""Private names of other packages. tests/compat fails when a release moves one."""
