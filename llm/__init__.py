"""Every call to a language model: the request, and the models that answer it."""
