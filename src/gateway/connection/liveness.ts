/**
 * For every connection. What waits may wait for ever: a program that answers a plain Service takes its time, and a WebSocket is
 * quiet until somebody speaks (specification §5.4: no timeouts; a revision's own are its backend's). So that who is gone without
 * a word does not wait with them, the kernel asks after a quiet minute, and ends what ten times does not answer.
 */
export const liveness = { keepAlive: true, keepAliveInitialDelay: 60_000 } as const;
