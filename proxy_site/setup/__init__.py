"""The wizard behind `manage.py setup`: it looks at what is there, asks, and only at the end does all of it at once."""
