"""Programs that run in the interpreters of other libraries, and our side of the same work."""
