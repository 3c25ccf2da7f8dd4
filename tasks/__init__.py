"""All that is needed to train a model: data, recipe, loss and scores of each task."""
