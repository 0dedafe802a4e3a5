"""The forward door: a proxy that clients name in `HTTPS_PROXY`. Start reading at connection.py."""
