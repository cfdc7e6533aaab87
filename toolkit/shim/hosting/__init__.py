"""What the demo runtime of ``toolkit.shim.process`` is made of: host processes as containers."""
