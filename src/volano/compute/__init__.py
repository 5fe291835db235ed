"""What this machine has, and where work runs: here; on Ray once one machine is outgrown.

In: nothing. Out: cores, memory, peaks. Never: a decision about models or data.
"""

from volano.compute.machine import Machine, describe_machine, peak_bytes

__all__ = ["Machine", "describe_machine", "peak_bytes"]
