"""Looking at runs: from which cameras, what an encoder gives, runs side by side, films as strips."""

from training import interrupt

interrupt.end_quietly_as_module()
