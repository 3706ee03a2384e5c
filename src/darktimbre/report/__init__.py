"""Tables and figures as data → reports: Markdown and HTML by Jinja2 templates. Knows nothing of what is reported."""
