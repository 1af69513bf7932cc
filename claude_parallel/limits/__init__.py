"""How much may be sent, and when: the gate and what it believes about the account's limits."""
