"""The commands, one a file: a function, or a group of commands, that has the name of its module."""
