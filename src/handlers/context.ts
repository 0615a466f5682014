import type { Logger } from 'pino';
import type { ProblemCode } from './problems.ts';

/** What middleware leaves for handlers. */
export interface AppEnv {
  Variables: {
    requestId: string;
    /** Of the W3C trace that the request is in. */
    traceId?: string | undefined;
    /** A logger that names the request. */
    log: Logger;
    /** Ends when the caller hangs up or the request's time is over. */
    signal: AbortSignal;
    /** Milliseconds that are left for the request. */
    remainingMs: () => number;
    /** Set when the answer is a problem, for log and metrics. */
    problemCode?: ProblemCode;
  };
}
