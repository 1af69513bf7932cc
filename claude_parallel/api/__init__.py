"""The Messages API through the official SDK: what is sent, what comes back, and how an answer is read."""
