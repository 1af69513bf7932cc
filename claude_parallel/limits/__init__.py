"""How much may be sent, and when: the gate, and what it believes about the account's limits.

``gate`` asks the other modules in turn; each of them knows one thing:

- *before the first answer*: ``tiers`` (limits that the user gives), ``blind`` (how the first calls go out), ``memory``
  (what an earlier run has learnt), ``leases`` (how processes divide an account), ``load`` (what requests weigh).
- *calls in flight*: ``window`` (how many), ``circuit`` (an outage), ``ramp`` (the acceleration limit).
- *one limit per minute*: ``bucket`` and, for output tokens, ``output``. What they believe of the server's bucket:
  ``burst`` (how much may be owed at once), ``high_water`` (how much was), ``remaining`` (when the header of that name
  was true), ``backoff`` (what others use), ``guess`` (a limit that nobody told), ``limit_probe`` (one that refusals
  alone tell), ``lateness`` (calls that overtake each other).
- *after a 429*: ``refusals`` (what it comes to), ``blame`` (which limit it is about), ``chance`` (whether it is about
  any), ``pause`` (how long nobody sends).

``tickets`` holds what the gate says. Why it believes what it does: ``docs/decisions/0015`` and ``0020``.

Words
-----
*Owed*: what we have used of a bucket and what has not come back yet, in seconds of its refill; a full bucket is owed
nothing. *Burst*: how much may be owed at once. *Hint*: the bound of that which ``remaining`` tells. *Refusal*: a 429.
*Episode*: a refusal, and those of calls that were sent before it was heard of. *Told*: by the server; *given*: by the
user; *guessed*: by neither. *Neighbour*: another program on the same account.

Each constant says what it is owed to: a *sweep* is a kind of servers in ``benchmarks/gate_worlds.py``, a *case* one in
``benchmarks/gate_cases.py``, *loopback* a measurement over HTTP; a *law* or *test* is one of the tests'.
"""
