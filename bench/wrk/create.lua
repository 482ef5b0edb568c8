-- Creates ConfigMaps of about 1 KB under names that nobody used before.
local token, prefix = os.getenv("BENCH_TOKEN"), os.getenv("BENCH_PREFIX")
local headers = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }
local body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s-%d"},"data":{"text":"'
  .. string.rep("x", 900) .. '"}}'
local count = 0

function request()
  count = count + 1
  return wrk.format("POST", nil, headers, body:format(prefix, count))
end

function done(summary)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout
  print(("RESULT %d %d %d"):format(summary.requests, failed, summary.duration))
end
