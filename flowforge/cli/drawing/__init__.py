"""A flow drawn as text: boxes and a table for a terminal, Mermaid, SVG."""
