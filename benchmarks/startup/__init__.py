"""How long a person waits: from the start of a command to its result."""
