"""The Streaming service: streams that other calls name, and bytes over them."""
