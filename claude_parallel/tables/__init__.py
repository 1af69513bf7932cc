"""Tables of any size and kind: read as a stream of chunks, mapped as one run, written part by part.

Everything here stands on Arrow, so the room is opened only when a table needs it.
"""

from .extras import need

need("pyarrow", "files and Arrow tables", "files")
