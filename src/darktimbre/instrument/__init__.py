"""Play in a browser: what a page requests, rendered in the background; only the server handles HTTP."""
