"""What a map would cost and how long it would take, before it is run."""
