"""What the end-to-end tests are made with: the program as a process, upstreams that do what a
test says, callers that say what they like, and real servers and clients.
"""

from .case import Case
from .limits import GUARD, LONG, SANITIZED, eventually
from .load import Wrk, curl
from .metrics import Metrics
from .nginx import Nginx
from .origin import (Origin, answers, by_target, closes, hangs, in_turn, resets, sends, waits_for)
from .outrigger import BINARY, ROOT, SANITIZER_STATUS, Outrigger, run_binary
from . import process
from .ports import HOST, Silent, free_address, free_port
from .wire import Client, Fields, Incomplete, Response, Wire, chunk, request_bytes

__all__ = [name for name in dir() if not name.startswith("_")]
