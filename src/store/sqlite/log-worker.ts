/** The log's own thread: owns the files, and answers one request after the other. */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import type { LogReport, LogRequest, LogThreadStart } from '#store/sqlite/log-messages.ts';
import type { LogRecord } from '#store/sqlite/log-record.ts';
import { Log } from '#store/sqlite/log.ts';
import { Refused } from '#store/sqlite/refusal.ts';

const RECORDS_PER_MESSAGE = 500;

if (parentPort) serve(parentPort, workerData as LogThreadStart);

function serve(port: MessagePort, start: LogThreadStart): void {
  const report = (message: LogReport): void => port.postMessage(message);
  let log: Log | undefined;
  try {
    log = Log.open(start);
    sendRecords(log, start.after, report);
  } catch (error) {
    log?.[Symbol.dispose]();
    const refusal =
      error instanceof Refused
        ? error.refusal
        : ({ type: 'failed', reason: reasonOf(error) } as const);
    report({ type: 'refused', refusal });
    return;
  }
  const opened = log;
  const { compacted, damages } = opened;
  report({ type: 'opened', revision: opened.end.revision, compacted, damages });
  port.on('message', (request: LogRequest) => {
    try {
      handle(opened, request);
      report({ type: 'done', compacted: opened.compacted });
    } catch (error) {
      report({ type: 'failed', reason: reasonOf(error) });
    }
    // With its port closed nothing keeps the thread, and it ends.
    if (request.type === 'close') port.close();
  });
}

function sendRecords(log: Log, after: number, report: (message: LogReport) => void): void {
  let records: LogRecord[] = [];
  const flush = (): void => {
    if (records.length > 0) report({ type: 'records', records, compacted: log.compacted });
    records = [];
  };
  for (const record of log.recordsAfter(after)) {
    records.push(record);
    if (records.length === RECORDS_PER_MESSAGE) flush();
  }
  flush();
}

function handle(log: Log, request: LogRequest): void {
  switch (request.type) {
    case 'append':
      log.append(request.records);
      return;
    case 'compact':
      log.compact(request.upTo);
      return;
    case 'close':
      log[Symbol.dispose]();
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
