-- What wrk asks in tests/bench/http_cost.py, and what it says at the end: a line of JSON.
--
--   wrk ... -s http_cost.lua URL -- PATTERN COUNT
--
-- Each request is GET of PATTERN with a random number of 1 to COUNT in it. They are written beforehand, so that a
-- random one costs wrk no more than always the same.
local requests = {}

function init(arguments)
    local pattern, count = arguments[1], tonumber(arguments[2])
    for i = 1, count do
        requests[i] = wrk.format("GET", string.format(pattern, i))
    end
end

function request()
    return requests[math.random(#requests)]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format('{"requests": %d, "seconds": %.6f, "p99_ms": %.3f, "failed": %d, "lost": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(99) / 1e3, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
