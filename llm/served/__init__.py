"""Local models behind a server: the client that asks one, and a small server of our own."""
