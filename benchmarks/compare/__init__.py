"""Every cell at the same number of parameters, trained alike on four problems."""
