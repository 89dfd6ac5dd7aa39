"""Commands that look at runs: cameras, an encoder's features, runs side by side, films as strips."""

from training import interrupt

interrupt.end_quietly_as_module()
