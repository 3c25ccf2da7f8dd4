"""The speed of the recurrent layers, side by side with those of other libraries."""
