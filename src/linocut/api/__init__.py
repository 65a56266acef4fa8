"""Tencent Cloud API 3.0: signature, envelope, errors, and one module or package per service.

A request passes through four stages, each a file: `calls` (what is asked, and who asks: signature and body), `table` (which
action that is), `parameters` (the body as the action's typed request), and the action's handler, which turns the request into a
call of the cloud and what comes back into the answer's wire shape. `wire` strings them together; `app` puts them on HTTP.

Beside the stages: `signature`, `signature_v1`, `flattening` and `multipart` know a form of requests each, `credentials` remembers
who signs, `limits` counts calls, `chinese` says errors in Chinese, and `workers` are the threads that all of this runs in.
"""
