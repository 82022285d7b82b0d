"""One record per run: schema, codec and store."""
