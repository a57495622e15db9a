"""Mail: what is written to people, the queue that it waits in, and the way to the server."""
