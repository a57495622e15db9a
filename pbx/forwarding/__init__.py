"""What an extension does with the calls to it: black list, forwarding rules in two forms, and why a call goes where."""
