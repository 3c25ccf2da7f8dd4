"""How training scales over devices and processes."""
