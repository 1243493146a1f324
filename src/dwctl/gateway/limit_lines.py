"""Headers that tell a caller of limits: `RateLimit` and `RateLimit-Policy` (IETF draft ratelimit-headers), and OpenAI's
`x-ratelimit-*`. Of several limits of one unit, the one with the least left is told. Pure."""

from collections.abc import Iterable
from math import ceil

from dwctl.routing.limits import Bucket, Kind
from dwctl.routing.tally import Refusal, Tally


def limit_lines(tallies: Iterable[Tally]) -> bytes:
    """For a call that has entered these limits."""
    requests: Bucket | None = None
    tokens: Bucket | None = None
    most: Tally | None = None
    for tally in tallies:
        bucket = tally.second
        if bucket is not None and (requests is None or bucket.left < requests.left):
            requests = bucket
        bucket = tally.minute
        if bucket is not None and (requests is None or bucket.left < requests.left):
            requests = bucket
        bucket = tally.token_bucket
        if bucket is not None and (tokens is None or bucket.left < tokens.left):
            tokens = bucket
        if tally.most is not None:
            most = tally
    if requests is None and tokens is None:
        return b"" if most is None else b"ratelimit-policy: %b\r\nratelimit: %b\r\n" % _at_once(most)
    return _rates(requests, tokens)


def refusal_lines(refusal: Refusal) -> bytes:
    """For a call that was refused: the limit that refused it, and how much of it there is."""
    tally = refusal.tally
    if refusal.kind is Kind.CONCURRENCY:
        return b"ratelimit-policy: %b\r\nratelimit: %b\r\n" % _at_once(tally)
    bucket = tally.buckets()[refusal.kind]
    return _rates(None, bucket) if refusal.kind is Kind.TOKENS_PER_MINUTE else _rates(bucket, None)


def duration(seconds: float) -> bytes:
    """As OpenAI writes it: `120ms`, `1s`, `6m0s`; rounded up, so that whoever waits so long has waited enough."""
    if seconds <= 0.999:
        return b"%dms" % ceil(seconds * 1000)
    whole = ceil(seconds)
    if whole < 60:
        return b"%ds" % whole
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return b"%dm%ds" % (minutes, rest)
    return b"%dh%dm%ds" % (*divmod(minutes, 60), rest)


def _rates(requests: Bucket | None, tokens: Bucket | None) -> bytes:
    if requests is None:
        return b"" if tokens is None else _alone(tokens, b"tokens")
    if tokens is None:
        return _alone(requests, b"requests")
    policy, state, theirs, _ = requests.told or _prepare(requests, b"requests")
    other_policy, other_state, others, _ = tokens.told or _prepare(tokens, b"tokens")
    left, wait, reset = _numbers(requests)
    other_left, other_wait, other_reset = _numbers(tokens)
    return b"ratelimit-policy: %b, %b\r\nratelimit: %b, %b\r\n%b%b" % (
        *(policy, other_policy, state % (left, wait), other_state % (other_left, other_wait)),
        *(theirs % (left, reset), others % (other_left, other_reset)),
    )


def _alone(bucket: Bucket, unit: bytes) -> bytes:
    template = (bucket.told or _prepare(bucket, unit))[3]
    left, wait, reset = _numbers(bucket)
    return template % (left, wait, left, reset)


def _numbers(bucket: Bucket) -> tuple[int, int, bytes]:
    """What is left, seconds until there is more (at nothing) or all, and the latter as OpenAI has it."""
    reset = (bucket.burst - bucket.left) / bucket.rate
    left = int(bucket.left)
    if left > 0:
        return left, ceil(reset), duration(reset)
    return 0, ceil(bucket.wait()), duration(reset)


def _prepare(bucket: Bucket, unit: bytes) -> tuple[bytes, ...]:
    """What does not change, with room for what does: policy, state, OpenAI's lines, and all of them as lines."""
    name = bucket.name.encode()
    policy = b'"%b";q=%d;w=%d' % (name, bucket.quota, max(1, ceil(bucket.window)))
    state = b'"%b";r=%%d;t=%%d' % name
    theirs = b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%b\r\n" % (
        *(unit, bucket.quota),
        *(unit, unit),
    )
    together = b"ratelimit-policy: %b\r\nratelimit: %b\r\n%b" % (policy, state, theirs)
    bucket.told = told = (policy, state, theirs, together)
    return told


def _at_once(tally: Tally) -> tuple[bytes, bytes]:
    name = tally.limits.id.partition(":")[0].encode()
    most = tally.limits.max_concurrent or 0
    left = max(0, (tally.most or 0) - tally.in_use)
    return b'"%b-concurrency";q=%d;qu="concurrent-requests"' % (name, most), b'"%b-concurrency";r=%d' % (
        name,
        left,
    )
