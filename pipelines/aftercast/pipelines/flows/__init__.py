"""The flows, one a file: each has a function ``run`` of a workspace and JSON parameters; a new file is a new flow."""
