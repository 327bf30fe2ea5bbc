"""What goes over the wire: request and answer models, free of any logic of the forecast."""
