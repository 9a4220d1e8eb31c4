"""The contract of a task: what its arguments are in JSON, made from its marshmallow schema when it is declared."""
