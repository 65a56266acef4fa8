"""Linocut: a self-hosted machine-image service, wire-compatible with the Tencent Cloud API 3.0."""
