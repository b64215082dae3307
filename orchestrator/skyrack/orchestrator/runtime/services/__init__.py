"""User software of a run: what each node is told to run, where its data lie, what it may use, how it is going."""
