"""Vendored lines on disk: adding, removing and verifying them."""
