"""Play in a browser: what a page asks for, rendered in the background; the server alone knows HTTP."""
