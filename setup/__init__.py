"""What a machine needs before the program can run. Nothing in here runs again once it is there."""
