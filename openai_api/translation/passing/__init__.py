"""OpenAI's dialect on both sides: bodies that are handed on as they are, and what is read of them on the side. No I/O here."""
