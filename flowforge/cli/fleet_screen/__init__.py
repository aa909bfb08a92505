"""The screen of ``flowforge top``: what it reads, what keys do, how it looks, and its terminal."""
