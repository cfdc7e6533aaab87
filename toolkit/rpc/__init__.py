"""What the blocking and the asyncio flavour share: decisions about calls, without I/O."""
