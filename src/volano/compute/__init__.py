"""What this machine has, and where work runs: here; on Ray once one machine is outgrown.

In: nothing. Out: cores, memory, peaks; work that was done by processes beside this one. Never: a
decision about models or data.
"""

from volano.compute.machine import Machine, describe_machine, peak_bytes, usable_cores
from volano.compute.workers import in_order, workers_for

__all__ = ["Machine", "describe_machine", "in_order", "peak_bytes", "usable_cores", "workers_for"]
