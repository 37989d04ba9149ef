"""What lies between this machine and the network now, and may it be measured over and filled?

`look` is what others use; `routes` finds the interface that packets leave by, `kinds` says what it is, `cost` asks
whether its bytes are paid for, `traffic` counts what others send. No packet is sent. Where something cannot be told
(another system than Linux, a container that hides its host) the answer is "unknown" or "nothing is in the way", never
an exception.
"""

from probe.net.line.look import Line, LineState

__all__ = ["Line", "LineState"]
