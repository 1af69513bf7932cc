"""One run: rows become requests, requests are sent as the gate allows, and answers become outcomes."""
