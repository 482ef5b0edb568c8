-- Gets one page under the host that is told.
wrk.headers["Host"] = os.getenv("BENCH_HOST")

function done(summary)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout
  print(("RESULT %d %d %d"):format(summary.requests, failed, summary.duration))
end
