"""The process: command line, start and stop, logs; later the JSON API."""
