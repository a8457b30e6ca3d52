"""Pictures as files, by Pillow: looked at, brought into another format, painted over within a mask, stored for a while.

All of it takes time and memory, so it is done by the few threads of the `Studio`, never on the event loop.
"""
