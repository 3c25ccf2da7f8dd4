"""The command line: ``zoo COMMAND``."""
