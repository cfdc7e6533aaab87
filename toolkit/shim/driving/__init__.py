"""Starting shims without containerd, driving them, and leaving nothing of them."""
