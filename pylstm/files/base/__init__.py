"""What all formats share: bytes read with checks, tensors, inert records, containers, errors."""
