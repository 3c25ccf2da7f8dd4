"""The tasks: data, recipe, loss and metrics of each."""
