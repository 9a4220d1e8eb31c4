"""The routes: schema in, one call, schema out."""
