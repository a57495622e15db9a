"""Sound: RTP streams, relay, tones, files. Knows nothing of SIP, and is told what to do in `engine` commands."""
