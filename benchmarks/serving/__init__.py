"""The service's speed: its floors, the questions, the other servers, and the tables of what was measured."""
