-- Gets a hundred of a prefix's ConfigMaps in turn; wrk asks create.lua for a first request that it does not send.
local token, prefix = os.getenv("BENCH_TOKEN"), os.getenv("BENCH_PREFIX")
local headers = { ["Authorization"] = "Bearer " .. token, ["Accept"] = "application/json" }
local count = 0

function request()
  count = count + 1
  return wrk.format("GET", ("%s/%s-%d"):format(wrk.path, prefix, count % 100 + 2), headers)
end

function done(summary)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout
  print(("RESULT %d %d %d"):format(summary.requests, failed, summary.duration))
end
