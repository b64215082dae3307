"""Where every satellite is: elements in, positions out. Pure: time is an argument, nothing is read from a clock."""
