"""AES-128-CBC with PKCS7 padding, as HLS encrypts segments; needs pycryptodomex, which comes with the extra youtube."""

from __future__ import annotations

KEY_BYTES = 16


def decrypted(data: bytes, key: bytes, iv: bytes) -> bytes:
    """What was encrypted. key, iv: 16 bytes each. Raises ImportError, and ValueError where the key does not fit."""
    from Cryptodome.Cipher import AES
    from Cryptodome.Util.Padding import unpad

    return unpad(AES.new(key, AES.MODE_CBC, iv).decrypt(data), AES.block_size)
