"""The tasks: data, recipe, loss and metrics of each."""

if __name__ == "tasks":  # in a clone, whose folder is on the path
    raise ImportError("the tasks are part of zoo: import zoo.tasks")
