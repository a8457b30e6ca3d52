"""A small server of OpenAI's dialect, in this process: strict about what it is sent, and answering as a test wishes."""
