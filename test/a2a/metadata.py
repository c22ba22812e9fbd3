"""Channels of gRPC whose calls show metadata: `channel(URL, {"x-chaperone-key": KEY})`."""

import grpc
from grpc.aio import ClientCallDetails, UnaryStreamClientInterceptor, UnaryUnaryClientInterceptor


def _with(details, shown):
    metadata = [*(details.metadata or []), *shown.items()]
    return ClientCallDetails(details.method, details.timeout, metadata, details.credentials, details.wait_for_ready)


class _Whole(UnaryUnaryClientInterceptor):
    def __init__(self, shown):
        self.shown = shown

    async def intercept_unary_unary(self, proceed, details, request):
        return await proceed(_with(details, self.shown), request)


class _Stream(UnaryStreamClientInterceptor):
    def __init__(self, shown):
        self.shown = shown

    async def intercept_unary_stream(self, proceed, details, request):
        return await proceed(_with(details, self.shown), request)


def channel(url, shown):
    return grpc.aio.insecure_channel(url, interceptors=[_Whole(shown), _Stream(shown)])
