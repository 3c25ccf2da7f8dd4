"""What a run writes and shows: folder, checkpoints, console, report."""
