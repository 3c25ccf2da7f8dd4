"""Two whole programs, a tagger and a character model, against the same in PyTorch."""
