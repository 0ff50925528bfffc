"""Any LangChain chat model behind the `Model` protocol."""
